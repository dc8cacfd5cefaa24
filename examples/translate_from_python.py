#!/usr/bin/env python3
"""Translate pictures from Python, with the runs that `bash scripts/quickstart.sh` leaves behind.

python examples/translate_from_python.py translated_from_python
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # not needed where the repository is on Python's path

from translation import Translator


def main(out: Path, runs: Path = ROOT / "checkpoints", pictures: Path | None = None) -> None:
    paths = sorted((pictures or ROOT / "datasets/unseen/testA").glob("*.png"))

    # Masks found by a trained predictor.
    translate = Translator.from_run(runs / "quickstart", masks="auto:quickstart_masks")
    result = translate(paths[0])
    result.save(out / "translated.png")
    result.before_after().save(out / "before_after.png")
    print(f"{paths[0].name}: {len(result.numbers)} instances, {result.direction}")

    # Several at once; each result has its picture, its masks before and after, and the steps.
    for path, result in zip(paths, translate(paths, batch_size=4), strict=True):
        areas = [int(mask.sum()) for mask in result.masks]
        print(f"{path.name}: areas of the translated instances in pixels: {areas}")

    # The other way, with a mask of one's own.
    back = Translator.from_run(runs / "quickstart", direction="BtoA")
    height, width = result.source.shape[:2]
    mask = np.zeros((1, height, width), bool)
    mask[0, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    back(result.picture, mask).save(out / "own_mask.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "translated_from_python"))
