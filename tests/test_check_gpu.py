"""The checks for a machine with GPUs: their dry run, and what they make of commands that go wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from conftest import ROOT, refused
from scripts import check_gpu
from scripts.gpu import checks, report
from scripts.gpu.checks import Check
from scripts.gpu.job import Failed, Job, Skipped

STAND_IN = """
import pathlib, sys
typed = lambda flag: sys.argv[sys.argv.index(flag) + 1]
folder = pathlib.Path("checkpoints", typed("--name"))
folder.mkdir(parents=True)
if typed("--precision") == "bf16":
    raise RuntimeError("no such | format")
loss = "null" if typed("--precision") == "fp16" else "0.5"
line = '{"epoch": 1, "iters": 1, "total": 1, "losses": {"G_A": 1.0, "D_A": %s}}'
(folder / "metrics.jsonl").write_text(line % loss)
"""
HANGING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
open("child", "w").write(str(child.pid))
time.sleep(60)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Path:
    """Takes the place of train.py: fp32 works, bf16 fails, a loss of fp16 is not finite."""
    path = tmp_path / "stand_in.py"
    path.write_text(STAND_IN)
    monkeypatch.setattr(checks, "TRAIN", path)
    return path


def ended(*words: str | Path) -> int:
    """The exit code of a dry run."""
    with pytest.raises(SystemExit) as stop:
        check_gpu.main(["--dry", *map(str, words)])
    return stop.value.code


def found(out: Path) -> dict[str, dict]:
    """The checks that were written down, by name."""
    written = json.loads((out / "check_gpu.json").read_text())["checks"]
    return {check["name"]: check for check in written}


def test_a_dry_run_writes_what_it_found(tmp_path):
    """Real trainings, started as a user would."""
    only = "steps/cycle_gan/fp32,steps/cycle_gan/tf32,resume/plain,parallel,speed/fp32/1"
    done = subprocess.run(
        ["bash", ROOT / "scripts/check_gpu.sh", "here", "--dry", "--only", only],
        cwd=tmp_path,
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads((tmp_path / "here/check_gpu.json").read_text())
    assert written["torch"] == torch.__version__ and written["device"] and written["dry"]
    assert [(x["name"], x["status"]) for x in written["checks"]] == [
        ("steps/cycle_gan/fp32", "passed"),
        ("steps/cycle_gan/tf32", "skipped"),
        ("resume/plain", "passed"),
        ("parallel/DataParallel", "skipped"),
        ("parallel/torchrun", "skipped"),
        ("speed/fp32/1", "passed"),
    ]
    details = {x["name"]: x["detail"] for x in written["checks"]}
    assert "2 steps" in details["steps/cycle_gan/fp32"]
    assert "of 16 pictures" in details["resume/plain"]
    assert "two GPUs" in details["parallel/torchrun"]
    (figures,) = written["speed"]
    assert figures["batch_size"] == 1 and figures["seconds_per_step"] > 0
    page = (tmp_path / "here/check_gpu.md").read_text()
    assert "| steps/cycle_gan/fp32 | passed |" in page and "| precision | batch |" in page
    assert "speed/fp32/1" in done.stdout and "3 passed, 0 failed, 3 skipped" in done.stdout
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [
        "check_gpu.json",
        "check_gpu.md",
    ]


@pytest.mark.usefixtures("stand_in")
def test_a_failing_check_is_told_and_stops_no_other(tmp_path, capsys):
    (tmp_path / "out/logs").mkdir(parents=True)
    (tmp_path / "out/logs/old.log").touch()
    assert ended(tmp_path / "out", "--only", "steps/insta_gan") == 1
    own = found(tmp_path / "out")
    assert [check["status"] for check in own.values()] == ["passed", "skipped", "failed", "failed"]
    assert own["steps/insta_gan/fp32"]["detail"].startswith("1 steps, all 2 losses")
    broken, nan = (own[f"steps/insta_gan/{name}"]["detail"] for name in ("bf16", "fp16"))
    assert broken == "ended with 1: RuntimeError: no such | format"
    assert nan == "not finite: loss D_A"
    logs = {path.name: path.read_text() for path in (tmp_path / "out/logs").iterdir()}
    assert sorted(logs) == ["steps-insta_gan-bf16.log", "steps-insta_gan-fp16.log"]
    assert "Traceback" in logs["steps-insta_gan-bf16.log"]
    assert "no such / format |" in (tmp_path / "out/check_gpu.md").read_text()
    assert "1 passed, 2 failed, 1 skipped" in capsys.readouterr().out
    assert ended(tmp_path / "out", "--only", "steps/insta_gan/fp32") == 0
    assert not (tmp_path / "out/logs").exists()


def call(check: Check, tmp_path: Path, seconds: float = 60) -> report.Result:
    """The result of one check, with so much time left for all."""
    args = check_gpu.parse([str(tmp_path / "out"), "--dry"])
    return check_gpu.run(check, args, tmp_path / "work", time.monotonic() + seconds)


def is_gone(process: int) -> bool:
    """Whether a process has ended; one that was killed is waited for."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_check_that_hangs_is_ended_with_all_it_started(tmp_path):
    children = []

    def hang(job: Job) -> str:
        try:
            return job.python("-c", HANGING)
        finally:
            children.append(int((job.folder / "child").read_text()))

    result = call(Check("compile", 3, hang), tmp_path)
    assert (result.status, result.detail) == ("failed", "not finished in 3 s")
    assert result.seconds < 9 and is_gone(children[0])
    assert "$ " in (tmp_path / "out/logs/compile.log").read_text()
    result = call(Check("compile", 90, hang), tmp_path, seconds=6)
    assert (result.status, result.detail) == ("skipped", "no time left: it was ended")
    assert is_gone(children[1])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_sigterm_leaves_no_process_behind(tmp_path):
    job = Job(tmp_path / "work", tmp_path / "log", 60, "-1")
    child = tmp_path / "work/child"

    def told() -> bool:
        if child.exists() and child.read_text():
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    with pytest.raises(SystemExit) as stop, check_gpu.ended_by_sigterm():
        job.python("-c", HANGING, stop_when=told)
    assert stop.value.code == 143 and is_gone(int(child.read_text()))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_without_time_nothing_is_begun(tmp_path, capsys):
    assert ended(tmp_path / "out", "--minutes", "0.01") == 0
    own = found(tmp_path / "out")
    assert {check["status"] for check in own.values()} == {"skipped"}
    assert own["resume/plain"]["detail"] == "no time left"
    assert set(report.STATUS) == {"passed", "failed", "skipped"}


def test_an_error_of_the_checks_themselves_stops_nothing(tmp_path):
    result = call(Check("resume", 9, lambda job: 1 / 0), tmp_path)
    assert (result.status, result.detail) == ("failed", "ZeroDivisionError: division by zero")
    assert "Traceback" in (tmp_path / "out/logs/resume.log").read_text()


@pytest.mark.parametrize(
    "said,status,detail",
    [
        ("error: out of memory on the GPU: lower it", "skipped", "there is not enough memory"),
        ("error: --size 5 is odd", "failed", "ended with 2: error: --size 5 is odd"),
    ],
)
def test_a_batch_that_does_not_fit_is_no_failure(tmp_path, monkeypatch, said, status, detail):
    monkeypatch.setattr(checks, "SPEED", tmp_path / "speed.py")
    checks.SPEED.write_text(f"import sys; print({said!r}); print('note: failed'); sys.exit(2)")
    result = call(Check("speed", 30, partial(checks.speed, "")), tmp_path)
    assert result.status == status and result.detail.startswith(detail)


@pytest.mark.parametrize(
    "device,said,ending",
    [("-1", "3 skipped in 1s", Skipped), ("0", "2 passed, 1 skipped in 1s", Failed)],
)
def test_tests_are_left_out_on_a_cpu_alone(tmp_path, monkeypatch, device, said, ending):
    job = Job(tmp_path / "work", tmp_path / "log", 9, device)
    monkeypatch.setattr(job, "python", lambda *_: f"ss\n{said}\n")
    with pytest.raises(ending, match=said):
        checks.tests(job)
    monkeypatch.setattr(job, "python", lambda *_: "...\n3 passed in 1s\n")
    assert checks.tests(job) == "3 passed in 1s"


def test_what_ran_without_being_compiled_has_failed(tmp_path, monkeypatch):
    said = "x\nnote: --compile does not work here, going on without it (no compiler)\n"
    monkeypatch.setattr(checks, "train", lambda *_: said)
    result = call(Check("compile", 30, checks.compiled), tmp_path)
    assert result.status == "failed" and "(no compiler)" in result.detail


def test_saved_tensors_are_compared_to_the_bit(tmp_path):
    states = {"a": {"one": [torch.zeros(2)]}, "b": {"one": [torch.zeros(2)]}}
    states["c"] = {"one": [torch.tensor([0.0, 1e-45])]}
    states["d"] = {"two": [torch.zeros(2)]}
    for name, state in states.items():
        (tmp_path / name).mkdir()
        torch.save(state, tmp_path / name / "state.pt")
    a, b, c, d = (tmp_path / name for name in states)
    assert checks.same_tensors(a, b) == 1
    with pytest.raises(Failed, match="1 of 1 tensors differ, first state.pt:one:0"):
        checks.same_tensors(a, c)
    with pytest.raises(Failed, match="different things"):
        checks.same_tensors(a, d)


@pytest.mark.parametrize(
    "figures,status,detail",
    [
        ({"kernels": 70, "layout_conversions": 0}, "passed", "none of 70 kernels"),
        ({"kernels": 70, "layout_conversions": 3}, "failed", "3 of 70 kernels convert layouts"),
        ({}, "failed", "PyTorch's profiler sees no kernels"),
    ],
)
def test_a_step_that_converts_layouts_has_failed(tmp_path, monkeypatch, figures, status, detail):
    monkeypatch.setattr(checks, "SPEED", tmp_path / "speed.py")
    file = f"import sys; open(sys.argv[sys.argv.index('--json') + 1], 'w').write({json.dumps([figures])!r})"
    checks.SPEED.write_text(file)
    result = call(replace(checks.layout_check(dry=True), why_not=""), tmp_path)
    assert result.status == status and result.detail.startswith(detail)
    assert checks.layout_check(dry=True).why_not and not result.figures


def test_two_gpus_are_used_where_they_are(monkeypatch):
    for count, why_not in ((1, "two GPUs are needed, PyTorch sees 1"), (2, "")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert {check.why_not for check in checks.parallel_checks()} == {why_not}


def test_on_a_gpu_everything_is_checked(monkeypatch):
    names = [check.name for check in checks.all_checks(dry=False) if not check.why_not]
    assert {"steps/insta_gan/tf32", "compile", "layout/bf16"} <= {*names}
    assert names[-3:] == ["speed/graphs/16", "speed/tf32/16", "speed/fp32/16"]
    (dry,) = checks.chosen(checks.all_checks(dry=True), ["compile"])
    (asked,) = checks.chosen(checks.all_checks(dry=True, asked=["compile"]), ["compile"])
    assert dry.why_not and not asked.why_not


def broken_driver(_):
    raise RuntimeError("no driver,\nsorry")


def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for words, said in (
        ("", "PyTorch sees no GPU here"),
        ("--dry --only resume,stepz", "did you mean steps?"),
        ("--dry --only steps/insta_gam", "did you mean steps/insta_gan"),
        ("--dry file", "file is a file"),
        ("--dry --minutes 0", "--minutes 0"),
    ):
        refused(capsys, lambda words=words: check_gpu.main(words.split()), said)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(report, "device_name", broken_driver)
    refused(capsys, lambda: check_gpu.main([]), "CUDA does not start here: no driver, sorry")
    monkeypatch.setattr(check_gpu, "is_installed", lambda name: name not in ("tqdm", "scipy"))
    missing = "tqdm, scipy missing:", "pip install -r"
    refused(capsys, lambda: check_gpu.main(["--dry"]), *missing)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "said,status,detail",
    [
        (
            "note: CUDA graphs are used, the first one keeps 20 MB of memory",
            "passed",
            "2 steps, CUDA",
        ),
        ("note: --cuda_graphs does not work here, going on without it (why)", "failed", "note: --"),
        ("nothing", "failed", "no graph was made"),
    ],
)
def test_a_model_that_trains_without_its_graphs_has_failed(
    tmp_path, monkeypatch, said, status, detail
):
    monkeypatch.setattr(checks, "train", lambda *_: f"device: GPU\n{said}\n")
    monkeypatch.setattr(checks, "finite_losses", lambda *_: [1, 2])
    result = call(Check("graphs", 30, partial(checks.graphs, "")), tmp_path)
    assert result.status == status and result.detail.startswith(detail)
    assert all(check.why_not for check in checks.graph_checks(dry=True))
