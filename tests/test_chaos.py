"""A small part of the harness that breaks runs, and of the fuzzing; the long part is a command."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT


def harness(*words: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and mounts a small disk")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts as root")
def test_runs_are_broken_and_go_on():
    words = "--kills 1 --others 1 --only kills full_disk".split()
    table = harness(str(ROOT / "tests/chaos/run.py"), *words).splitlines()
    assert table[1].split()[:3] == ["kill", "-9", "1"] and len(table) == 3


def test_odd_options_datasets_and_files_work_or_are_refused():
    pytest.importorskip("hypothesis")
    words = "--options 12 --datasets 6 --files 40".split()
    lines = harness(str(ROOT / "tests/chaos/fuzz.py"), *words).splitlines()
    assert all("refused" in line for line in lines) and "a step taken" in lines[0]
