"""What the study of DA-GAN shows: its tables and pictures, for docs/da_gan.md."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from metrics.pairs import PairFolder
from pages.sheet import save_sheet, sheet, tile
from scripts.reproduce.runs import Laboratory, Row
from scripts.reproduce.sheets import SIDE, picture_line
from scripts.reproduce.tables import (
    by_method,
    cell,
    commands_of,
    markdown,
    method_table,
    one_way,
    put,
)

PAGE = "da_gan.md"
COLUMNS = 8
TITLES = {
    "digits": "House numbers to white digits:",
    "toy": "A small digit anywhere in a larger picture, labels alone:",
    "shapes": "Disks to triangles, without masks or labels:",
}
SCORES = {
    "digits": {
        "label_accuracy": "accuracy",
        "label_accuracy_untranslated": "untranslated",
        "label_accuracy_real": "real targets",
        "label_is": "IS, nats",
        "classes_missed": "classes missed",
        "attention_recall": "seen by windows",
    },
    "toy": {"centre_error": "centre error", "attention_recall": "seen by windows"},
    "shapes": {
        "classification": "taken for triangles",
        "classification_real_test": "real triangles",
        "image_shape_success": "shape success",
        "attention_recall": "seen by windows",
    },
}


def write(laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
    """The tables and pictures of the rows that are done, into docs/da_gan.md."""
    every = laboratory.done(rows)
    if not every:
        return
    remade = [row for row in every if row["kind"]]
    done = [one_way(row) for row in every if not row["kind"]]
    parts = ["Mean ± sd over the seeds."]
    for data, title in TITLES.items():
        own = [row for row in done if row["data_name"] == data]
        if own:
            parts += [title, method_table(own, SCORES[data])]
        parts += modes(remade) if data == "digits" else []
        first = [row for row in rows if row.facts["data_name"] == data and not row.facts["seed"]]
        first = [row for row in first if not row.facts["kind"]]
        path = args.folder / f"da_gan_{data}.png"
        if data == "toy":  # nothing is painted there
            seeds = [row for row in rows if row.facts["data_name"] == data]
            parts += windows_line(laboratory, seeds, path, title.rstrip(":"))
        else:
            parts += picture_line(laboratory, first, path, title.rstrip(":"), "A")
        parts += source_only(every) if data == "digits" else []
    put(args.folder.parent / PAGE, "da_gan", "\n\n".join([*parts, commands_of(every)]))


def windows_line(
    laboratory: Laboratory, rows: Sequence[Row], output: Path, title: str
) -> list[str]:
    """Draw where each seed looked, and return the line that shows it; see `picture_line`."""
    done = [row for row in rows if laboratory.record(row)]
    if done and laboratory.at_hand(done):
        lines = []
        for row in done:
            pairs = PairFolder(laboratory.results(row)).pairs["A"][:COLUMNS]
            tiles = [tile(files.picture("windows_B_img"), SIDE) for files in pairs]
            lines.append((f"seed {row.facts['seed']}", tiles))
        save_sheet(sheet(lines), output)
    return [f"![{title}]({output.parent.name}/{output.name})"] if output.is_file() else []


def modes(remade: Sequence[dict]) -> list[str]:
    """What becomes of targets that are made again: kinds that are lost, with and without D2."""
    if not remade:
        return []
    scores = {name: SCORES["digits"][name] for name in ("label_accuracy", "classes_missed")}
    lines = [
        [method, *(cell(own, name) for name in scores)] for method, own in by_method(remade).items()
    ]
    return ["White digits made again, F(t):", markdown(["method", *scores.values()], lines)]


def source_only(every: Sequence[dict]) -> list[str]:
    """How well a classifier of labelled sources does on targets as they are."""
    back = [one_way(row, "BtoA") for row in every if "BtoA" in row["scores"]]
    if not back:
        return []
    found = cell(back, "label_accuracy_untranslated")
    return [f"Source only: a classifier of house numbers reads white digits as they are, {found}."]
