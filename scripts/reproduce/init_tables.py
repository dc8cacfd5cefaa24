"""What the study of INIT shows: its table and pictures, for docs/init.md."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from data import create_dataset
from data.direction import BOTH_WAYS
from data.scene import Scene
from metrics.pairs import PairFolder
from models.trained_run import TrainedRun
from options.base_options import run_folder
from options.test_options import TestOptions
from pages.sheet import save_sheet, sheet, tile
from scripts.reproduce.runs import Laboratory, Row
from scripts.reproduce.tables import cell, commands_of, markdown, over_seeds, put
from util.files import write_json

PAGE = "init.md"
SIDE, PICTURES, STYLES = 72, 3, 4  # of the pictures shown
NIGHT = {  # by night, of scores from day to night
    "object_color_error": "object colour error",
    "modes_shown": "modes shown",
    "diversity_small": "diversity",
    "is": "IS",
    "cis": "CIS",
}


def write(laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
    """The table and pictures of the rows that are done, into docs/init.md."""
    done = laboratory.done(rows)
    if not done:
        return
    said = "Day to night, mean ± sd over the seeds; colours in levels of 255, IS and CIS in nats."
    parts = [said, table(laboratory, done)]
    for seed in dict.fromkeys(row.facts["seed"] for row in rows):
        own = [row for row in rows if row.facts["seed"] == seed and laboratory.record(row)]
        path = args.folder / f"init_{seed}.png"
        if own and laboratory.at_hand(own):
            save_sheet(sheet(*styles_of(laboratory, own)), path)
        if path.is_file():
            parts.append(f"![day to night in four styles, seed {seed}](results/{path.name})")
    put(args.folder.parent / PAGE, "init", "\n\n".join([*parts, commands_of(done)]))


def table(laboratory: Laboratory, done: Sequence[dict]) -> str:
    """A line for each method; its scores of each seed apart where the claim depends on them."""
    lines = []
    for method in dict.fromkeys(row["method"] for row in done):
        own = [one_way(row) for row in done if row["method"] == method]
        minutes = np.mean([row["training_seconds"] for row in own]) / 60
        errors = [one["scores"]["AtoB"]["object_color_error"] for one in own]
        found = [x for row in own if (x := recovered(laboratory, row)) is not None]
        style = f"{np.mean(found):.2f}" if found else "–"
        cells = [cell(own, name) for name in NIGHT]
        each = ", ".join(f"{error:.1f}" for error in errors)
        lines.append([method, str(len(own)), f"{minutes:.1f}", cells[0], each, *cells[1:], style])
    real = over_seeds([one_way(row) for row in done], "real_diversity_small")
    if real:
        lines.append(["real pictures by night", *["–"] * 5, f"{real[0]:.3f}", *["–"] * 3])
    first, *others = NIGHT.values()
    return markdown(
        ["method", "seeds", "minutes", first, "by seed", *others, "style recovery"], lines
    )


def one_way(row: dict) -> dict:
    """A row with its scores from day to night alone."""
    return {**row, "scores": {"AtoB": row["scores"]["AtoB"]}}


def styles_of(laboratory: Laboratory, rows: Sequence[Row]) -> tuple[list, list[str]]:
    """Rows of a sheet: some test pictures in a few styles by every method; and its header."""
    lines = []
    for row in rows:
        folder = PairFolder(laboratory.results(row))
        pairs = [files.load() for files in folder.pairs["A"][:PICTURES]]
        tiles = []
        for pair in pairs:
            shown = [*pair.results()[:STYLES], *[None] * STYLES][:STYLES]
            tiles += [tile(pair.image, SIDE), *(x if x is None else tile(x, SIDE) for x in shown)]
        lines.append((row.title, tiles))
    return lines, ["source", *["style"] * STYLES] * PICTURES


# ---- whether a style that went in can be read again


def style_file(laboratory: Laboratory, name: str) -> Path:
    return laboratory.folder / "styles" / f"{name}.json"


def recovered(laboratory: Laboratory, row: dict) -> float | None:
    path = style_file(laboratory, row["commands"][0].split("--name ")[1].split()[0])
    return json.loads(path.read_text())["share"] if path.is_file() else None


def recover_styles(laboratory: Laboratory, rows: Sequence[Row]) -> None:
    """Of every run with styles at hand: how far styles are off that are read from its results.

    As a share of how far they are off from those of other pictures: 1 if nothing is recovered.
    """
    for row in rows:
        words = row.training.options
        path = style_file(laboratory, row.name)
        if "init" not in words or path.is_file():
            continue
        opt = TestOptions().parse(
            [*("--name", row.training.name, "--checkpoints_dir", str(laboratory.work))]
            + ["--dataroot", words[words.index("--dataroot") + 1], "--gpu_ids", laboratory.device]
        )
        model = TrainedRun(opt, run_folder(opt)).model
        dataset = create_dataset(opt)
        found = [share_of(model, dataset.domain(way.source), way) for way in BOTH_WAYS]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"share": float(np.mean(found))})


@torch.no_grad()
def share_of(model, scenes: Sequence[Scene], way) -> float:
    batch = Scene.cat([scenes[i] for i in range(len(scenes))])
    batch = model.on_device({way.source: batch})[way.source]
    generator = torch.Generator().manual_seed(0)
    styles = torch.randn(len(batch), model.opt.style_dim, generator=generator).to(model.device)
    content = model.network("content", way.source, "whole")(batch.image)
    fakes = model.network("decoder", way.target, "whole")(content, styles)
    read = model.network("style", way.target, "whole")(fakes)
    return float((read - styles).abs().mean() / (read - styles.roll(1, 0)).abs().mean())
