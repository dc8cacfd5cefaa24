"""The house as docs/architecture.md describes it: rooms, arrows between them, sizes, names."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.trace_step import trace
from conftest import ROOT
from models import find_model, names

ROOMS = "benchmarks data datasets loggers metrics models options pages scripts training translation util".split()
# What a room may import of the others. Scripts, benchmarks and commands may import everything.
ARROWS = {
    "util": "",
    "training": "util data loggers",
    "data": "util training",
    "pages": "util data",
    "loggers": "util data pages training",
    "models": "util data training loggers",
    "options": "util data training loggers models metrics",
    "metrics": "util data pages training",
    "datasets": "util data pages options",
    "translation": "util data training models options metrics",
}


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")
    yield from (ROOT / name for name in ("train.py", "test.py", "evaluate.py", "translate.py"))


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_between_rooms_go_one_way(room):
    for path in (ROOT / room).rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        wrong = {*found} & {*ROOMS} - {room, *ARROWS[room].split()}
        assert not wrong, (path, wrong)


def test_shared_code_names_no_networks_and_no_losses():
    """The names of all models' losses, and of the networks of CycleGAN's family."""
    losses = {loss for name in names() for loss in find_model(name).loss_names}
    assert {"cyc_A", "ctx_B"} <= losses
    words = re.compile(rf"\b({'|'.join(sorted(losses | {'G_A', 'G_B', 'D_A', 'D_B'}))})\b")
    for path in sources():
        if "models" not in path.parts:
            assert not words.search(path.read_text()), path


def test_nothing_swaps_domains_or_tells_networks_by_their_letters():
    for path in sources():
        text = path.read_text()
        assert not re.search(r'"B" if .* == "A" else "A"', text), path
        assert not re.search(r'"A" if .* == "B" else "B"', text), path
        assert not re.search(r'startswith\("[GD]"?\)', text), path


def test_files_and_functions_are_short():
    lengths = {}
    for path in sources():
        text = path.read_text()
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = length_of(node)
    assert statistics.median(lengths.values()) <= 8
    arguments = ("argument", "parse")  # lists of options are as long as they are
    long = [n for n, x in lengths.items() if x > 40 and not any(word in n for word in arguments)]
    assert not long


def length_of(node: ast.FunctionDef) -> int:
    """Lines of a function without its head and docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return node.end_lineno - body[0].lineno + 1


def test_a_step_runs_through_few_files():
    files, depth = trace()
    lines = sum(len((ROOT / name).read_text().splitlines()) for name in files)
    assert len(files) <= 12 and lines <= 1760 and depth <= 13, (sorted(files), lines, depth)
    told = (ROOT / "docs" / "architecture.md").read_text()
    for name in files:
        assert f"`{name}`" in told, name
