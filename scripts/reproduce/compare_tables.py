"""All models side by side: the table and the picture of docs/compare.md."""

import argparse
from collections.abc import Sequence

from scripts.reproduce.runs import Laboratory, Row
from scripts.reproduce.sheets import picture_line
from scripts.reproduce.tables import commands_of, method_table, one_way, put

PAGE = "compare.md"
SCORES = {
    "image_shape_success": "shape success",
    "image_shape_success_85": "at 0.85",
    "mask_shape_success": "mask success",
    "mmr": "MMR",
    "background_l1": "background L1",
}
INSTEAD = {("DA-GAN", "background_l1"): "not expected"}  # what no window shows is not kept


def write(
    laboratory: Laboratory, rows: Sequence[Row], scored: Sequence[dict], args: argparse.Namespace
) -> None:
    """The table of what was scored here or before, and the sources through all, first seed."""
    own = [row for row in laboratory.done(rows) if row["method"] == "DA-GAN"]
    done = [one_way(row) for row in (*scored, *own)]
    if not done:
        return
    parts = ["Disks to triangles, mean ± sd over the seeds.", method_table(done, SCORES, INSTEAD)]
    first = [row for row in rows if not row.facts["seed"]]
    path = args.folder / "compare.png"
    parts += picture_line(laboratory, first, path, "the same disks through all models", "A")
    made_here = laboratory.done(rows)
    parts += [commands_of(made_here)] if made_here else []
    put(args.folder.parent / PAGE, "compare", "\n\n".join(parts))
