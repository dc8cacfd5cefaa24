#!/usr/bin/env python3
"""The curves of one or several runs as a PNG or SVG file.

    python scripts/plot_losses.py curves.png checkpoints/myrun
    python scripts/plot_losses.py curves.svg checkpoints/one checkpoints/two --smooth 0.8 --log

Needs matplotlib: pip install -r requirements-loggers.txt
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loggers.records import FILE, continuous, panels, read_records, smoothed
from models import curves_of_run
from util.command_line import OneLineParser
from util.errors import UserError, command

COLUMNS = 3
STYLES = ("-", "--", ":", "-.")  # of a run's curves, where its colour is the run's


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    runs = {name: curves_of(folder) for name, folder in named(args.runs).items()}
    if args.panels:
        runs = {name: chosen(curves, args.panels) for name, curves in runs.items()}
    figure = draw(runs, args.smooth, args.log)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.output, dpi=130, bbox_inches="tight")
    print(f"curves: {args.output}")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("output", type=Path, help="file to write, .png, .svg or .pdf")
    add("runs", type=Path, nargs="+", help="folders of runs: checkpoints/NAME")
    add("--panels", nargs="+", help="parts of titles, such as loss or learning (default: all)")
    add("--smooth", type=float, default=0.0, help="losses: 0 as they are, 0.9 a mean of about ten")
    add("--log", action="store_true", help="logarithmic")
    args = parser.parse_args(argv)
    if args.output.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UserError(f"{args.output}: name a file that ends in .png, .svg or .pdf")
    if not 0 <= args.smooth < 1:
        raise UserError(f"--smooth {args.smooth}: at least 0 and less than 1")
    return args


def named(folders: list[Path]) -> dict[str, Path]:
    """Folders by their names, or by as much of their paths as tells them apart."""
    folders = list(dict.fromkeys(folder.resolve() for folder in folders))
    for length in range(1, max(len(folder.parts) for folder in folders) + 1):
        found = {"/".join(folder.parts[-length:]): folder for folder in folders}
        if len(found) == len(folders):
            break
    return found


Drawn = dict[str, dict[str, tuple[list[int], list[float | None]]]]


def curves_of(folder: Path) -> Drawn:
    """Pictures and values of every curve, by panel and name. Raises UserError without any."""
    curves: Drawn = {}
    declared = curves_of_run(folder)
    for record in continuous(read_records(folder / FILE)):
        for title, values in panels(record, declared).items():
            for name, value in values.items():
                x, y = curves.setdefault(title, {}).setdefault(name, ([], []))
                x.append(record["total"])
                y.append(value)
    if not curves:
        raise UserError(f"{folder / FILE}: no report in it; name a run's folder, checkpoints/NAME")
    return curves


def chosen(curves: Drawn, words: list[str]) -> Drawn:
    """The panels that have one of the words in their titles."""
    found = {t: own for t, own in curves.items() if any(w.lower() in t.lower() for w in words)}
    if not found:
        raise UserError(f"--panels {' '.join(words)}: none of {', '.join(curves)}")
    return found


def draw(runs: dict[str, Drawn], smooth: float, logarithmic: bool):
    """A figure with a panel for each title that any run has."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("matplotlib is missing: pip install -r requirements-loggers.txt") from None
    titles = list(dict.fromkeys(title for curves in runs.values() for title in curves))
    columns = min(COLUMNS, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.1 * rows), layout="constrained")
    for place, title in enumerate(titles):
        axes = figure.add_subplot(rows, columns, place + 1)
        for number, (run, curves) in enumerate(runs.items()):
            for i, (name, (x, y)) in enumerate(curves.get(title, {}).items()):
                several = len(runs) > 1
                label = f"{run}: {name}" if several else name
                style, color = (STYLES[i % 4], number) if several else ("-", i)
                shown = smoothed(y, smooth) if "loss" in title else y
                y = [float("nan") if value is None else value for value in shown]
                axes.plot(x, y, style, color=f"C{color % 10}", label=label, linewidth=1.4)
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
        axes.set_xlabel("pictures", fontsize=8)
        if logarithmic:
            axes.set_yscale("log")
        axes.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    main(sys.argv[1:])
