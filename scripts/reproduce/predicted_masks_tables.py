"""Given masks against predicted ones: the tables and pictures of docs/predicted_masks.md."""

from collections.abc import Sequence
from pathlib import Path

from scripts.reproduce.runs import Laboratory, Row
from scripts.reproduce.tables import cell, commands_of, markdown, put, score_of

PAGE = "predicted_masks.md"
OF_SHAPES = {
    "image_shape_success": "shape success",
    "image_shape_success_85": "at 0.85",
    "mask_shape_success": "mask success",
    "mask_kept": "masks kept",
    "background_l1": "background L1",
}
BY_OVERLAP = {"alone": "mask success, alone", "overlapping": "overlapping"}
OF_PREDICTORS = {
    "foreground_iou": "IoU of all objects",
    "instance_ap50": "AP50",
    "instance_ap75": "AP75",
    "instance_ap": "AP",
}
OF_PHOTOS = (
    *("masked_classification", "masked_classification_real_test", "classification"),
    *("classification_real_test", "mask_kept", "mask_area_ratio", "mask_iou", "background_l1"),
)
WAYS = {"AtoB": "pants to shorts", "BtoA": "shorts to pants"}
FIGURES = {  # task -> the test, the directions, and options of the script
    "shapes": ("two", ("AtoB",), "--pictures 00000,00001,00020,00032 --side 128"),
    "photos": ("photos", ("AtoB", "BtoA"), "--pictures 5 --side 112"),
}


def draw_figures(laboratory: Laboratory, rows: Sequence[Row], folder: Path) -> None:
    """A picture for each task and direction, of the first seed; those that are there stay."""
    for row in rows:
        test, directions, options = FIGURES[row.facts["task"]]
        if row.facts["seed"] or row.facts["test"] != test or row.facts["masks"] != "predicted":
            continue
        trained = [laboratory.trained(one) for one in (row.training, row.predictor)]
        for direction in directions:
            path = figure_path(folder, row.facts["task"], direction)
            if all(known and known["done"] for known in trained) and not path.is_file():
                words = ["scripts/figures/predicted_masks.py", str(path), *options.split()]
                words += ["--masks", f"auto:{row.predictor.name}", "--direction", direction]
                words += ["--name", row.training.name, "--checkpoints_dir", str(laboratory.work)]
                words += [*row.options, "--gpu_ids", laboratory.device]
                laboratory.call(words, f"{path.stem}.log")


def figure_path(folder: Path, task: str, direction: str) -> Path:
    return folder / f"predicted_{task}_{direction}.png"


def write(laboratory: Laboratory, rows: Sequence[Row], folder: Path) -> None:
    """The tables of what is done, and the pictures that are there, into the page."""
    done = laboratory.done(rows)
    shapes = [row for row in done if row["task"] == "shapes"]
    photos = [row for row in done if row["task"] == "photos"]
    parts = []
    if shapes:
        about = "Drawn shapes, mean ± sd over the seeds, both directions averaged."
        parts += [about, shapes_table(shapes)]
    if done:
        about = "What the predictors found in test pictures, both domains averaged."
        parts += [about, predictor_table(done)]
    if photos:
        parts += ["Photos, one seed.", photos_table(photos)]
    for task, (_, directions, _) in FIGURES.items():
        for direction in directions:
            path = figure_path(folder, task, direction)
            title = f"{task}, {direction}: given and predicted masks"
            parts += [f"![{title}]({folder.name}/{path.name})"] if path.is_file() else []
    if done:
        put(folder.parent / PAGE, "predicted", "\n\n".join([*parts, commands_of(done)]))


def of(rows: Sequence[dict], masks: str, test: str) -> list[dict]:
    return [row for row in rows if (row["masks"], row["test"]) == (masks, test)]


def tests_of(rows: Sequence[dict]) -> list[str]:
    return list(dict.fromkeys(row["test"] for row in rows))


def shapes_table(rows: Sequence[dict]) -> str:
    """A line for each test and kind of masks, and how far they are apart."""
    lines = []
    for test in tests_of(rows):
        kinds = {kind: of(rows, kind, test) for kind in ("given", "predicted")}
        for kind, own in kinds.items():
            split = [share_by_overlap(own, which) for which in BY_OVERLAP]
            cells = [*(cell(own, name) for name in OF_SHAPES), *split]
            lines.append([test, kind, str(len(own)), *cells])
        pairs = [
            (row, other)
            for row in kinds["given"]
            for other in kinds["predicted"]
            if row["seed"] == other["seed"]
        ]
        lost = [difference(pairs, name) for name in OF_SHAPES]
        lines.append([test, "predicted − given", str(len(pairs)), *lost, "", ""])
    titles = [*OF_SHAPES.values(), *BY_OVERLAP.values()]
    return markdown(["instances", "masks", "seeds", *titles], lines)


def share_by_overlap(rows: Sequence[dict], which: str) -> str:
    """The share of masks with the right shape, over seeds and directions, and of how many."""
    counts = [row["by_overlap"][which] for row in rows if which in row.get("by_overlap", {})]
    right, judged = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    return f"{right / judged:.3f} (n = {judged})" if judged else "–"


def difference(pairs: Sequence[tuple[dict, dict]], name: str) -> str:
    """The mean over seeds of the second's score minus the first's."""
    found = [(score_of(row, name), score_of(other, name)) for row, other in pairs]
    values = [other - value for value, other in found if None not in (value, other)]
    return f"{sum(values) / len(values):+.3f}" if values else "–"


def predictor_table(rows: Sequence[dict]) -> str:
    """A line for each test: scores by COCO's rules, and what was matched in translating."""
    lines = []
    for test in tests_of(rows):
        own, matched = of(rows, "predictor", test), of(rows, "predicted", test)
        if not own:
            continue
        facts = [test, str(len(own))]
        shares = [shares_of(matched, name) for name in ("found", "iou", "besides")]
        lines.append([*facts, *(cell(own, name) for name in OF_PREDICTORS), *shares])
    titles = ["found", "IoU of the found", "extra ones, a picture"]
    return markdown(["test", "seeds", *OF_PREDICTORS.values(), *titles], lines)


def shares_of(rows: Sequence[dict], name: str) -> str:
    """The mean over seeds and directions of what is said of the masks that were found."""
    values = [own[name] for row in rows for own in row.get("found", {}).values()]
    return f"{sum(values) / len(values):.3f}" if values else "–"


def photos_table(rows: Sequence[dict]) -> str:
    """A line for each score, columns for each direction and kind of masks."""
    columns = [
        (direction, kind, own[0]["scores"].get(direction, {}))
        for direction in WAYS
        for kind in ("given", "predicted")
        if (own := [row for row in rows if row["masks"] == kind])
    ]
    lines = [
        [name.replace("_", " "), *(number(own.get(name)) for _, _, own in columns)]
        for name in OF_PHOTOS
    ]
    return markdown(["", *(f"{WAYS[way]}, {kind}" for way, kind, _ in columns)], lines)


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
