"""A study of several ways to do one thing: each is trained on the same drawn shapes and scored."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training
from scripts.reproduce.sheets import picture_line
from scripts.reproduce.tables import cell, commands_of, markdown, put

SCORES = {
    "mask_shape_success": "mask success",
    "image_shape_success": "shape success",
    "image_shape_success_85": "at 0.85",
    "image_mask_iou": "picture/mask IoU",
    "seam_l1": "seam L1",
    "background_l1": "background L1",
}


class Way(NamedTuple):
    """Options of train.py, besides those that all ways share, and of evaluate.py."""

    train: str = ""
    score: str = ""


@dataclass(frozen=True)
class Study:
    """Ways, keyed by what they are called in the table.

    name is that of its folders and of its place in results.md; data are options of
    generate_shapes_dataset.py, training those of train.py that all ways share.
    """

    name: str
    data: str
    training: str
    ways: Mapping[str, Way]

    def run(self, description: str, argv: list[str] | None) -> None:
        """Do what is left of it, and write the table and pictures of what is done."""
        args = parse(description, f"datasets/{self.name}", argv)
        rows = [self.row(way, seed, args) for seed in range(args.seeds) for way in self.ways]
        laboratory = Laboratory(args.folder / self.name, args.jobs, args.device)
        if args.dry_run:
            print(laboratory.plan(rows))
            return
        draw(args.data, self.data)
        try:
            laboratory.run(rows)
        finally:
            self.write(laboratory, rows, args)

    def row(self, way: str, seed: int, args: argparse.Namespace) -> Row:
        own = self.ways[way]
        words = f"{self.training} {own.train} --seed {seed}".split()
        words = ("--dataroot", str(args.data), *words, *shlex.split(args.train_options))
        # ways that differ in their tests alone share a training
        stem = next(slug(name) for name, other in self.ways.items() if other.train == own.train)
        scored = ("--dataroot", str(args.data), "--batch_size", "10", *own.score.split())
        training = Training(f"{stem}_{seed}", words, self.data)
        facts = {"way": way, "seed": seed}
        return Row(f"{slug(way)}_{seed}", training, scored, facts, title=way, data=self.data)

    def write(self, laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
        done = laboratory.done(rows)
        if not done:
            return
        lines = []
        for way in self.ways:
            if own := [row for row in done if row["way"] == way]:
                lines.append([way, str(len(own)), *(cell(own, name) for name in SCORES)])
        parts = [
            "Mean ± sd over the seeds, both directions averaged.",
            markdown(["way", "seeds", *SCORES.values()], lines),
        ]
        first = [row for row in rows if row.facts["seed"] == 0]
        for domain, title in (("A", "disks to triangles"), ("B", "triangles to disks")):
            path = args.folder / f"{self.name}_{domain}.png"
            parts += picture_line(laboratory, first, path, title, domain)
        put(args.folder.parent / "results.md", self.name, "\n\n".join([*parts, commands_of(done)]))
