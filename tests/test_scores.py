"""Every score says which of its values are better, and better translations have those."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scoring import call, copy_as_results, scores
from torch import nn

from data.direction import BOTH_WAYS
from metrics import learned
from metrics.base import Better
from metrics.classifier import KINDS
from metrics.report import worst_ends
from metrics.scores import RANKING, SCORES, Score, find_score
from metrics.shapes import TARGETS, ideal_shape

COLORS = {"A": (200, 40, 40), "B": (40, 40, 200)}  # as the drawn domains have them
OTHER = {way.source: way.target for way in BOTH_WAYS}
ALL = "shapes,background,lpips,mask,classification,masked_classification,fid,kid,detection"
OTHERS = (
    "appearance",
    "diversity",
    "inception",
    "labels",
    "attention",
    "instances",
)  # tested elsewhere
NETWORKS = {"inception", "vgg16", "resnet18"}  # whose weights are not at hand


class Distance(nn.Module):
    """In the place of LPIPS, whose weights are not at hand."""

    def forward(self, x, y):
        return (x - y).abs().mean((1, 2, 3), keepdim=True)


def read(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def save(pixels: np.ndarray, path: Path) -> None:
    Image.fromarray(pixels).save(path)


def masks_of(root: Path, domain: str, stem: str) -> list[np.ndarray]:
    paths = sorted((root / f"test{domain}_seg").glob(f"{stem}_*.png"))
    return [read(path) > 127 for path in paths]


def perfect(root: Path, source: str, stem: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """The target's shapes where the source's were, on its clean background, and their masks."""
    masks = [ideal_shape(mask, TARGETS[source]) for mask in masks_of(root, source, stem)]
    picture = read(root / f"test{source}_background/{stem}.png")
    picture[np.any(masks, 0)] = COLORS[OTHER[source]]
    return picture, masks


def broken(root: Path, source: str, stem: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """The source with noise all over, and masks that are all empty or all full."""
    picture = read(root / f"test{source}/{stem}.png").astype(int)
    noise = np.random.default_rng(int(stem)).integers(-60, 60, picture.shape)
    masks = [np.full_like(mask, int(stem) % 2) for mask in masks_of(root, source, stem)]
    return (picture + noise).clip(0, 255).astype(np.uint8), masks


def results_of(root: Path, folder: Path, translate, told_apart: bool) -> Path:
    """A folder of such translations, with a mask for each instance or one for all."""
    copy_as_results(root, folder)
    for source in "AB":
        role = f"fake_{OTHER[source]}"
        for path in (root / f"test{source}").glob("*.png"):
            start = folder / "images" / f"{path.stem}_{role}"
            picture, masks = translate(root, source, path.stem)
            save(picture, Path(f"{start}_img.png"))
            for number, mask in enumerate(masks):
                Path(f"{start}_mask_{number}.png").unlink()
                if told_apart:
                    save(mask, Path(f"{start}_mask_{number}.png"))
            if not told_apart:
                save(np.any(masks, 0), Path(f"{start}_seg.png"))
    return folder


@pytest.fixture(scope="module")
def known(many, tmp_path_factory) -> dict[str, dict[str, float]]:
    """All scores of perfect and of broken translations, means over both directions."""
    folders = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "small", replace(KINDS["small"], steps=60))
        patch.setattr(learned, "load_lpips", lambda device, asked: Distance())
        for translate in (perfect, broken):
            for told_apart in (True, False):
                folder = tmp_path_factory.mktemp("known") / "results"
                results_of(many, folder, translate, told_apart)
                folders[translate.__name__, told_apart] = folder
        paths = " ".join(map(str, folders.values()))
        call(f"--dataroot {many} --metrics {ALL} --classifier small --results {paths}")
    found: dict[str, dict[str, float]] = {"perfect": {}, "broken": {}}
    for (kind, _), folder in folders.items():
        a, b = scores(folder).values()
        assert a.keys() == b.keys()
        found[kind] |= {name: (a[name] + b[name]) / 2 for name in a if name not in found[kind]}
    return found


def test_every_score_declares_which_values_are_better(known):
    assert {*ALL.split(","), *OTHERS} == set(SCORES)
    assert known["perfect"].keys() == known["broken"].keys()
    assert not [name for name in known["perfect"] if not find_score(name)]


def test_nothing_is_declared_that_no_metric_gives(known):
    made = {find_score(name).declared for name in known["perfect"]}
    declared = [name for own in SCORES.values() for name in own]
    assert len(declared) == len({*declared})
    unseen = {name for name in declared if name not in made}
    assert unseen - {name for word in OTHERS for name in SCORES[word]} == {
        f"{kind}_{network}" for kind in ("fid", "kid") for network in NETWORKS
    }


def test_better_translations_have_better_scores(known):
    wrong = {}
    for name, value in known["perfect"].items():
        gain = value - known["broken"][name]
        better = find_score(name).better
        if (better is Better.MORE and gain <= 0) or (better is Better.LESS and gain >= 0):
            wrong[name] = (value, known["broken"][name])
    assert not wrong


def test_scores_are_found_by_their_whole_names():
    assert find_score("fid_inception") == Score("fid_inception", "fid", Better.LESS)
    assert find_score("background_lpips").metric == "lpips"
    assert find_score("mmr_pooled").metric == "detection"
    real = find_score("masked_classification_real_val")
    assert real.metric == "masked_classification" and real.better is Better.NEITHER
    for name in ("fid", "fid_", "fid_inception_v4", "background_l", "xmmr", ""):
        assert find_score(name) is None
    assert "seam_l1" in RANKING and "mask_area_ratio" not in RANKING
    assert not [name for name in RANKING if "*" in name]


def test_the_page_knows_the_worst_end_of_a_score(tmp_path):
    ends = worst_ends(["background_lpips", "background_ssim", "mask_area_ratio"])
    assert ends == {"background_lpips": "down", "background_ssim": "up", "mask_area_ratio": ""}
    with pytest.raises(KeyError, match="brand_new"):
        worst_ends(["brand_new"])
