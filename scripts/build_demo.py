#!/usr/bin/env python3
"""A page that translates pictures in the browser: `python scripts/build_demo.py --name shapes`.

Writes a folder with one page, the runs' generators as ONNX (scripts/export.py), onnxruntime-web and
sample pictures. Nothing else is needed, and no picture leaves the browser:

    python -m http.server -d demo        # then open http://localhost:8000

--masks names a run of --model mask_predictor: then the page finds objects by itself. See
docs/demo.md.
"""

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.test_options import add_weights_argument
from scripts.demo.models import PRECISIONS, exported, mask_predictor, translator
from scripts.demo.runtime import PACKAGE, unpack_runtime
from scripts.demo.samples import COUNT, write_samples
from scripts.export import check_packages
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command
from util.files import staged, write_json
from util.images import COLORS

PAGES = Path(__file__).resolve().parents[1] / "pages"
MANIFEST = "models.json"


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    with staged(args.out, "--out") as folder:
        rows = build(args, folder)
    print(aligned(rows))
    print(f"demo: python -m http.server -d {args.out}, then open http://localhost:8000")


def build(args: argparse.Namespace, folder: Path) -> list[list[str]]:
    """Fill the folder; returns a table of its models."""
    models = [translator(args, name) for name in args.name]
    domains = {way.source for run in models for way in run.ways}
    predictors = [mask_predictor(args, name, domains) for name in args.masks]
    copy_page(folder)
    unpack_runtime(folder / "ort", args.runtime, args.webgpu)
    rows = [["model", "MB", "to PyTorch, of 255: mean", "largest"]]
    entries: dict[str, list[dict]] = {"models": [], "predictors": []}
    for key, runs in (("models", models), ("predictors", predictors)):
        for entry, row in (pair for run in runs for pair in exported(run, args, folder)):
            entries[key].append(entry)
            rows.append(row)
    samples = write_samples(args, entries["models"], folder)
    names = dict(zip("AB", args.domains, strict=True))
    about = {"domains": names, "colors": COLORS, "webgpu": args.webgpu}
    write_json(folder / MANIFEST, {**about, **entries, "samples": samples})
    return rows


def copy_page(folder: Path) -> None:
    """The page with its styles and scripts."""
    for path in (PAGES / "page.css", *sorted((PAGES / "demo").iterdir())):
        if path.suffix in (".html", ".css", ".js"):
            shutil.copyfile(path, folder / path.name)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--name", action="append", required=True, help="name of a run; may be given several times")
    predictor = {"metavar": "RUN", "help": "a run of --model mask_predictor"}
    add("--masks", action="append", default=[], **predictor)
    add("--checkpoints_dir", default="./checkpoints", help="where runs are kept")
    add("--epoch", default="latest", help="which saved weights (default: latest)")
    add_weights_argument(parser)
    add("--direction", default="both", help="AtoB, BtoA, or both (default: both)")
    add("--out", type=Path, default=Path("demo"), help="folder to write (default: demo)")
    add("--ins_max", type=int, help="instances translated of a picture (default: the run's)")
    add(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="of the weights in the files: fp16 halves them; the page computes in fp32 either way "
        "(default: fp32, as test.py has it)",
    )
    names = {"nargs": 2, "default": ["A", "B"], "metavar": ("A", "B")}
    add("--domains", **names, help="what the page calls the two domains")
    add(
        "--samples",
        metavar="FOLDER",
        help="a dataset or a folder of pictures to take samples from; none: no samples (default: "
        "the test or val pictures of the runs' datasets, where they are at hand)",
    )
    add("--sample_count", type=int, default=COUNT, help=f"of each domain (default: {COUNT})")
    add("--runtime", type=Path, metavar="FILE.tgz", help=f"{PACKAGE}, for machines without network")
    add("--webgpu", action="store_true", help="with what WebGPU needs, 27 MB more")
    args = parser.parse_args(argv)
    check(args)
    return args


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot work, before anything is computed."""
    check_packages("the page")
    if len(args.masks) > 1:
        first, second = args.masks[:2]
        raise UserError(f"--masks {second}: {first} finds masks of both domains: leave one out")
    names = [*args.name, *args.masks]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--name {name} is given more than once: leave one out")
    if args.ins_max is not None and args.ins_max < 1:
        raise UserError(f"--ins_max {args.ins_max}: at least 1")
    if args.sample_count < 0:
        raise UserError(f"--sample_count {args.sample_count}: at least 0")
    if args.samples not in (None, "none") and not Path(args.samples).is_dir():
        raise UserError(f"--samples {args.samples}: there is no such folder")
    if holds_other_things(args.out):
        raise UserError(f"--out {args.out} holds something else: name a new folder")


def holds_other_things(folder: Path) -> bool:
    """Whether a folder is no earlier demo, which the new one may replace."""
    if not folder.exists() or (folder / MANIFEST).is_file():
        return False
    return not folder.is_dir() or any(folder.iterdir())


if __name__ == "__main__":
    main()
