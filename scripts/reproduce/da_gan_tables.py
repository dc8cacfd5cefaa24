"""What the study of DA-GAN shows: its tables and pictures, for docs/da_gan.md."""

import argparse
from collections.abc import Sequence

import numpy as np

from scripts.reproduce.runs import Laboratory, Row
from scripts.reproduce.sheets import picture_line
from scripts.reproduce.tables import cell, commands_of, markdown, put

PAGE = "da_gan.md"
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
        "classes_missed": "classes missed",
        "attention_recall": "seen by windows",
    },
    "toy": {"centre_error": "centre error", "attention_recall": "seen by windows"},
    "shapes": {
        "classification": "taken for triangles",
        "classification_real_test": "real triangles",
        "attention_recall": "seen by windows",
    },
}


def write(laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
    """The tables and pictures of the rows that are done, into docs/da_gan.md."""
    done = laboratory.done(rows)
    if not done:
        return
    parts = ["Mean ± sd over the seeds."]
    for data, title in TITLES.items():
        own = [row for row in done if row["data_name"] == data]
        if own:
            parts += [title, table(own, SCORES[data])]
        first = [row for row in rows if row.facts["data_name"] == data and not row.facts["seed"]]
        path = args.folder / f"da_gan_{data}.png"
        parts += picture_line(laboratory, first, path, title.rstrip(":"), "A")
    put(args.folder.parent / PAGE, "da_gan", "\n\n".join([*parts, commands_of(done)]))


def table(done: Sequence[dict], scores: dict[str, str]) -> str:
    lines = []
    for method in dict.fromkeys(row["method"] for row in done):
        own = [row for row in done if row["method"] == method]
        minutes = np.mean([row["training_seconds"] for row in own]) / 60
        lines.append([method, str(len(own)), f"{minutes:.1f}", *(cell(own, x) for x in scores)])
    return markdown(["method", "seeds", "minutes", *scores.values()], lines)
