"""Tables and pages of the reproduction scripts, and the commands that make them."""

import shlex
import subprocess
import sys

import pytest

from conftest import ROOT, one_line_error
from scripts.reproduce import by_step
from scripts.reproduce.by_step import shares_by_step
from scripts.reproduce.tables import cell, put, score_of
from util.files import write_json


def test_scores_over_directions_and_seeds():
    rows = [{"scores": {"AtoB": {"x": a, "y": None}, "BtoA": {"x": a + 0.2}}} for a in (0.1, 0.3)]
    assert score_of(rows[0], "x") == pytest.approx(0.2)
    assert cell(rows, "x") == "0.300 ± 0.141" and cell(rows, "y") == "–"


def test_success_by_the_step_of_translation(tmp_path, capsys):
    """Two seeds; instance 2 is translated first, then 10, then 1; one of them overlaps others."""
    folders = [tmp_path / "0", tmp_path / "1"]
    masks = {f"real_A_mask_{number}": "" for number in (2, 10, 1)} | {"fake_B_mask_2": ""}
    listing = {"pictures": [{"name": "x", "source": "A", "masks": masks}]}
    for folder, values in zip(folders, ([False, True, None], [True, True, None]), strict=True):
        detail = {"pictures": {"x": {"image_shape_success": values}}}
        write_json(folder / "results.json", listing)
        write_json(folder / "metrics_detail.json", {"about": {}, "AtoB": detail})
    assert shares_by_step([*folders, tmp_path / "gone"]) == {"AtoB": [1.0, None, 0.5]}
    by_step.main([str(folder) for folder in folders])
    assert capsys.readouterr().out == "AtoB 1.00 – 0.50\n"
    with pytest.raises(SystemExit) as stop:
        by_step.main([str(tmp_path / "gone")])
    assert stop.value.code == 2
    one_line_error(capsys, "gone/results.json")


def test_a_page_keeps_what_stands_around(tmp_path):
    page = tmp_path / "p.md"
    put(page, "a", "one")
    put(page, "b", "two")
    page.write_text(page.read_text().replace("# Results", "# Results\n\nby hand"))
    put(page, "a", "three")
    text = page.read_text()
    assert "by hand" in text and "one" not in text and text.index("three") < text.index("two")


@pytest.mark.parametrize(
    "script",
    [
        "reproduce_ablation.sh --dry_run",
        "reproduce_pasting.sh --dry_run",
        "reproduce_few_pictures.sh --dry_run",
        "reproduce_mgd_gan.sh --dry_run",
        "reproduce_init.sh --dry_run",
        "reproduce_da_gan.sh --dry_run",
        "reproduce_compare.sh --dry_run",
        "reproduce_predicted.sh --dry_run",
        "reproduce_tables.sh --dry_run --size 32 32",
    ],
)
def test_shell_scripts_say_what_they_would_run(script, tmp_path):
    name, *words = shlex.split(script)
    command = ["bash", str(ROOT / "scripts" / name), *words, "--folder", str(tmp_path / "anew")]
    done = subprocess.run(
        command,
        env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "python train.py" in done.stdout and "python evaluate.py" in done.stdout
