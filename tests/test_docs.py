"""What the documents name exists: files, options, modules, and the places that links lead to."""

import ast
import re
from pathlib import Path

import pytest
from test_options import options_of

from conftest import ROOT
from options import evaluate_options
from options.test_options import TestOptions
from options.train_options import TrainOptions
from options.translate_options import TranslateOptions

DOCUMENTS = [ROOT / "README.md", ROOT / "datasets/README.md", *sorted(ROOT.glob("docs/*.md"))]
ROOMS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
WHOLE = (*ROOMS, "datasets/making", "scripts", "benchmarks", "tests")  # with what is below
PLACES = [*ROOT.glob("*"), *ROOT.glob("datasets/*")]
PLACES += [path for folder in WHOLE for path in (ROOT / folder).rglob("*")]
SOURCES = sorted(path for path in PLACES if path.suffix in (".py", ".sh", ".js", ".css"))
PATH = re.compile(r"(?<![\w/])[\w./-]*\w\.(?:py|sh|md|js|css)\b")
OPTION = re.compile(r"(?<![\w-])--[a-zA-Z]\w*(?:-\w+)*")
MADE = {"data.js", "check_gpu.md"}  # by a run, or a check
FOREIGN = {"--nproc_per_node", "--nodes", "--index-url"}  # of torchrun, sbatch, pip
IN_A_LOOP = {"--cat1", "--cat2", "--imagesA", "--imagesB", "--labelsA", "--labelsB"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstrings_of(path: Path) -> str:
    """All docstrings of a module."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    return "\n".join(filter(None, map(ast.get_docstring, nodes)))


def words_of(path: Path) -> str:
    """What a file says to its readers: a document all of it, code its docstrings and comments."""
    text = path.read_text()
    if path.suffix == ".md":
        return text
    comments = re.findall(r"(?:#|//|/\*) .*", text)
    return "\n".join([*comments, docstrings_of(path) if path.suffix == ".py" else ""])


# ---- files


def is_there(named: str, beside: Path) -> bool:
    """Whether a file that a text names is in the repository, or beside the text."""
    if "/" in named:
        return (ROOT / named).exists() or (beside / named).exists()
    return any(path.name == named for path in (*SOURCES, *DOCUMENTS))


def test_every_file_that_is_named_exists():
    gone = {}
    for path in (*DOCUMENTS, *SOURCES):
        named = {one for one in PATH.findall(words_of(path)) if not re.search("[A-Z]{4}", one)}
        if lost := [one for one in sorted(named - MADE) if not is_there(one, path.parent)]:
            gone[name_of(path)] = lost
    assert not gone


def test_every_module_that_is_named_exists():
    """`training.guard.Guard` is something of training/guard.py; metrics.json is no module."""
    module = re.compile(rf"`({'|'.join(ROOMS)})\.(?!(?:jsonl?|js|yaml|py)\b)(\w+)")
    gone = {
        (name_of(path), room, name)
        for path in (*DOCUMENTS, *SOURCES)
        for room, name in module.findall(words_of(path))
        if not module_exists(ROOT / room / name)
    }
    assert not gone


def module_exists(place: Path) -> bool:
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_the_map_of_the_code_is_right():
    """docs/architecture.md has every room."""
    told = (ROOT / "docs/architecture.md").read_text().partition("## The way")[0]
    assert {f"{room}/" for room in ROOMS} <= {*re.findall(r"[\w]+/", told)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if not link.startswith("http"):
            file, _, anchor = link.partition("#")
            target = path.parent / file if file else path
            assert target.exists(), link
            assert not anchor or anchor in anchors_of(target), link


def anchors_of(document: Path) -> set[str]:
    """What GitHub calls the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ---- options


def flags_of(actions) -> set[str]:
    return {flag for action in actions for flag in action.option_strings}


TRAIN, TEST = (
    flags_of(options_of(command)) | {"--help"} for command in (TrainOptions, TestOptions)
)
TEST |= {"--direction"}  # which is added with the model's own directions
TRANSLATE = TEST | flags_of(options_of(TranslateOptions))
EVALUATE = TEST | flags_of(evaluate_options.build_parser()._actions)
COMMANDS = {"train.py": TRAIN, "test.py": TEST, "evaluate.py": EVALUATE, "translate.py": TRANSLATE}


def flags_added_in(path: Path) -> set[str]:
    """The options that a program adds to its parser; those that a shell script has in its text."""
    if path.suffix == ".sh":
        return {*OPTION.findall(path.read_text())}
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    adding = [c for c in calls if ast.unparse(c.func).split(".")[-1] in ("add", "add_argument")]
    words = [str(getattr(word, "value", "")) for call in adding for word in call.args]
    return {word for word in words if word.startswith("--")}


PROGRAMS = [path for path in SOURCES if path.suffix in (".py", ".sh")]
SCRIPTS = IN_A_LOOP.union(*map(flags_added_in, PROGRAMS))
OTHERS = SCRIPTS | {f"--no-{flag[2:]}" for flag in SCRIPTS} | FOREIGN


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_option_that_is_named_exists(path):
    found = {*OPTION.findall(path.read_text())}
    assert sorted(found - TRAIN - EVALUATE - TRANSLATE - OTHERS) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_command_takes_the_options_that_it_is_typed_with(path):
    """In lines like `python train.py --name r`."""
    for line in path.read_text().splitlines():
        for command, rest in re.findall(
            r"(?<![\w/])(train\.py|test\.py|evaluate\.py|translate\.py)((?: +[^`|#\s]+)+)", line
        ):
            if rest.lstrip().startswith("-"):
                assert not {*OPTION.findall(rest)} - COMMANDS[command], line
