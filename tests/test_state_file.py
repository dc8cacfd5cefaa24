"""A state file is whole, or known not to be; a save is a picture of one moment."""

import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest
import torch

from conftest import double_model
from training import checkpoint
from training.checkpoint import Checkpoints
from training.progress import Progress
from training.saver import KeptCopy, Saver
from training.state_file import TornError, read_state, write_state
from util.errors import UserError

CONTENT = {"tensors": [torch.arange(50.0), torch.tensor(True)], "name": "ü", "none": None}


def test_what_was_written_is_read_and_pytorch_reads_it_too(tmp_path):
    write_state(path := tmp_path / "state.pt", CONTENT)
    for found in (read_state(path), torch.load(path, weights_only=True)):
        assert torch.equal(found["tensors"][0], CONTENT["tensors"][0])
        assert found["name"] == "ü"
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


def test_every_flipped_byte_and_every_cut_is_known(tmp_path):
    write_state(path := tmp_path / "state.pt", CONTENT)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :])
        with pytest.raises(TornError):
            read_state(path)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(TornError):
            read_state(path)


def test_a_full_disk_is_an_oserror_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_state(tmp_path / "state.pt", CONTENT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_pytorch_writing_to_a_full_disk_is_an_oserror():
    from training.state_file import save

    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space"):
        save({"x": torch.zeros(100_000)}, full)


def test_a_copy_is_of_one_moment_and_reuses_its_memory():
    kept = KeptCopy()
    state = {"a": torch.zeros(3), "b": [torch.ones(2), 5]}
    first = kept.copy(state)
    state["a"] += 1
    assert first["a"].tolist() == [0, 0, 0] and first["b"][1] == 5
    second = kept.copy(state)
    assert second["a"].data_ptr() == first["a"].data_ptr() and second["a"].tolist() == [1, 1, 1]
    state["a"] = torch.zeros(9)
    assert kept.copy(state)["a"].shape == (9,)


def test_saving_does_not_wait_and_saves_the_moment(tmp_path, monkeypatch):
    model, slow = double_model(), threading.Event()
    checkpoints = Checkpoints(tmp_path)
    write = Checkpoints.write
    monkeypatch.setattr(Checkpoints, "write", lambda *all: slow.wait(10) and write(*all))
    before = {n: w.clone() for n, w in model.network_states()["G_A"].items()}
    checkpoints.save(model, Progress(total=7), "latest")
    with torch.no_grad():
        for weight in model.networks["G_A"].parameters():
            weight.add_(1)
    slow.set()
    checkpoints.finish()
    saved = read_state(tmp_path / "state.pt")
    assert saved["progress"]["total"] == 7
    assert all(torch.equal(before[n], w) for n, w in saved["model"]["networks"]["G_A"].items())
    weights = torch.load(tmp_path / "latest_net_G_A.pth", weights_only=True)
    assert all(torch.equal(before[n], w) for n, w in weights.items())


def failing(times: int, done: list):
    def write():
        if len(done) < times:
            done.append("failed")
            raise OSError(28, "No space left on device")
        done.append("written")

    return write


def test_a_save_that_fails_is_told_once_and_tried_again(capsys):
    saver, done = Saver(retry=0.01), []
    saver.ready()
    saver.start(failing(3, done))
    saver.finish(patience=10)
    assert done == ["failed"] * 3 + ["written"]
    out = capsys.readouterr().out
    assert out.count("nothing can be saved") == 1 and out.count("saving works again") == 1


def test_a_save_is_written_however_soon_the_next_one_comes():
    for _ in range(50):
        saver, done = Saver(), []
        for number in range(5):
            saver.ready()
            saver.start(lambda number=number, done=done: done.append(number))
        saver.finish(patience=5)
        assert done == [0, 1, 2, 3, 4]


def test_a_save_that_fails_gives_way_to_the_next_one():
    saver, first, second = Saver(retry=1000), [], []
    saver.ready()
    saver.start(failing(99, first))
    end = time.monotonic() + 5
    while not first and time.monotonic() < end:
        time.sleep(0.01)
    saver.ready()
    saver.start(failing(0, second))
    saver.finish(patience=5)
    assert (first, second) == (["failed"], ["written"])


def test_a_last_save_that_cannot_be_written_is_an_error():
    saver = Saver(retry=1000)
    saver.ready()
    saver.start(failing(99, []))
    with pytest.raises(UserError, match="No space left"):
        saver.finish(patience=0)


def test_a_mistake_in_saving_is_not_silent():
    def broken():
        raise TypeError("ours")

    saver = Saver()
    saver.ready()
    saver.start(broken)
    with pytest.raises(TypeError, match="ours"):
        saver.finish(patience=1)


def test_a_torn_state_is_named_and_the_one_before_is_used(tmp_path, capsys):
    model, checkpoints = double_model(), Checkpoints(tmp_path)
    for total in (1, 2):
        checkpoints.save(model, Progress(total=total))
        checkpoints.finish()
    newest, before = tmp_path / "state.pt", tmp_path / "state_before.pt"
    assert [read_state(p)["progress"]["total"] for p in (newest, before)] == [2, 1]
    for harm in (lambda whole: whole[:3000], lambda whole: whole[:-900] + b"x" * 900):
        newest.write_bytes(harm(newest.read_bytes()))
        checkpoints.resume(model, progress := Progress())
        assert progress.total == 1
        assert "state.pt" in (out := capsys.readouterr().out) and "state_before.pt" in out
        assert "another copy" not in out  # nothing need be done
    before.write_bytes(b"")
    with pytest.raises(TornError, match="use another copy"):
        checkpoints.resume(model, Progress())


def test_a_torn_state_never_takes_the_place_of_the_whole_one(tmp_path, monkeypatch):
    """A run that went on from the save before is killed in its first own save."""
    model, checkpoints = double_model(), Checkpoints(tmp_path)
    for total in (1, 2):
        checkpoints.save(model, Progress(total=total))
        checkpoints.finish()
    (tmp_path / "state.pt").write_bytes(b"torn")
    again = Checkpoints(tmp_path)
    again.resume(model, Progress())

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_state", full)
        with pytest.raises(OSError, match="No space"):
            again.write({"model": {"networks": {}}}, ())
    assert again.newest_state()[1]["progress"]["total"] == 1
    again.save(model, Progress(total=3))
    again.save(model, Progress(total=4))
    again.finish()
    found = [read_state(path)["progress"]["total"] for path in again.states()]
    assert found == [4, 3]


def test_numbered_checkpoints_are_thinned_out(tmp_path):
    model, checkpoints = double_model(), Checkpoints(tmp_path, keep=2)
    for epoch in (5, 10, 100):
        checkpoints.save(model, Progress(), "latest", str(epoch))
    for total in (5_000, 10_000, 15_000):
        checkpoints.save(model, Progress(), f"iter_{total}")
    checkpoints.finish()
    assert set(checkpoints.labels("G_A")) == {"10", "100", "latest", "iter_10000", "iter_15000"}


def test_going_on_does_not_lose_the_save_before(tmp_path):
    """The first save of a run that goes on is the one that it read."""
    model, checkpoints = double_model(), Checkpoints(tmp_path)
    for total in (1, 2):
        checkpoints.save(model, Progress(total=total))
        checkpoints.finish()
    again = Checkpoints(tmp_path)
    again.resume(model, progress := Progress())
    again.save(model, progress)
    again.finish()
    assert [read_state(path)["progress"]["total"] for path in again.states()] == [2, 1]


def test_two_saves_stay_until_a_third_is_whole(tmp_path, monkeypatch):
    """Two files, not two names of one, whatever happens while it is written."""
    model, checkpoints = double_model(), Checkpoints(tmp_path)
    for total in (1, 2):
        checkpoints.save(model, Progress(total=total))
        checkpoints.finish()
    seen = []

    def look(path, state):
        seen.extend(read_state(one)["progress"]["total"] for one in checkpoints.states())
        write_state(path, state)

    monkeypatch.setattr(checkpoint, "write_state", look)
    checkpoints.save(model, Progress(total=3))
    checkpoints.finish()
    assert seen == [2, 1]
    assert [read_state(one)["progress"]["total"] for one in checkpoints.states()] == [3, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"state.pt", "state_before.pt"}


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    model = double_model()
    with Checkpoints(tmp_path) as first:
        first.begin(model, Progress())
        forking = multiprocessing.get_context("fork")
        begun = forking.Event()
        child = forking.Process(target=lambda: (begun.set(), time.sleep(60)))
        child.start()  # as a loader process: it does not hold the folder for the run
        assert begun.wait(30)
        with pytest.raises(UserError, match="written by another process"):
            Checkpoints(tmp_path).begin(model, Progress())
    Checkpoints(tmp_path).begin(model, Progress())
    child.kill()


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    dead, alive = tmp_path / ".state.pt.999999999.tmp", tmp_path / f".x.pth.{os.getpid()}.tmp"
    dead.touch(), alive.touch()
    Checkpoints(tmp_path).begin(double_model(), Progress())
    assert not dead.exists() and alive.exists()
