"""Resuming is going on; weights travel to and from the official code; broken files are named."""

import shutil
from pathlib import Path

import pytest
import torch

import test as test_command
import train
from conftest import double_model, one_line_error, random_scene, train_options
from models import create_model
from models.insta_gan_model import InstaGANModel
from training.checkpoint import Checkpoints
from training.progress import Progress
from training.schedules import build_schedule
from training.state_file import load_file
from util.files import write_atomic

EVERYTHING = (
    "--dropout --pool_size 2 --set_order random --load_size 36 --batch_size 2 --paste 1 --ema 4 "
    "--diffaug color,translation,cutout"
)


def state(name: str) -> dict:
    return load_file(Path("checkpoints") / name / "state.pt")


def assert_same(one, other, path="state"):
    """Nested states are equal to the bit."""
    assert type(one) is type(other), path
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{path}[{i}]")
    else:
        assert one == other, path


def same_when_stopped(run, monkeypatch, model: type, words: str, data: Path, at: int) -> None:
    """A run that is stopped in its step number `at`, and goes on, equals one that was not."""
    run(train.main, f"--name whole {words}", data)
    step, calls = model.train_step, []

    def die_in_the_middle(self, scenes):
        calls.append(None)
        if len(calls) == at:
            raise KeyboardInterrupt
        step(self, scenes)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(model, "train_step", die_in_the_middle)
        run(train.main, f"--name parts {words}", data)
    run(train.main, f"--name parts {words} --continue_train", data)
    assert_same(state("whole"), state("parts"))


def test_two_and_two_epochs_are_four(run):
    run(train.main, f"--name whole --niter 4 --niter_decay 0 {EVERYTHING}")
    run(train.main, f"--name parts --niter 2 --niter_decay 0 {EVERYTHING}")
    run(train.main, f"--name parts --niter 4 --niter_decay 0 --continue_train {EVERYTHING}")
    assert_same(state("whole"), state("parts"))


@pytest.mark.parametrize("policy", ["lambda", "step", "plateau", "cosine"])
def test_a_run_stopped_inside_an_epoch_goes_on_there(run, monkeypatch, capsys, policy):
    words = f"--niter 1 --niter_decay 1 --lr_decay_iters 1 --lr_policy {policy} --save_latest_freq 2 {EVERYTHING}"
    run(train.main, f"--name whole {words}")
    step, calls = InstaGANModel.train_step, []

    def die_in_the_middle(self, scenes):
        calls.append(1)
        if len(calls) == 6:  # the third batch of epoch 2
            raise KeyboardInterrupt
        step(self, scenes)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(InstaGANModel, "train_step", die_in_the_middle)
        run(train.main, f"--name parts {words}")
    assert stop.value.code == 130
    capsys.readouterr()
    run(train.main, f"--name parts --continue_train {words}")
    assert "continuing at epoch 2, 4 pictures into it" in capsys.readouterr().out
    assert_same(state("whole"), state("parts"))


def rate(name: str) -> float:
    return state(name)["model"]["optimizers"]["G"]["param_groups"][0]["lr"]


def test_the_schedule_counts_epochs_not_options(run):
    """Neither the old habit of typing --epoch_count nor leaving it out moves a resumed schedule."""
    one = "--max_dataset_size 1"
    run(train.main, f"--name r {one} --niter 2 --niter_decay 2")
    run(train.main, f"--name r {one} --niter 2 --niter_decay 8 --continue_train --epoch_count 3")
    assert rate("r") == pytest.approx(2e-4 * (1 - 9 / 9), abs=1e-12)
    run(train.main, f"--name late {one} --niter 2 --niter_decay 6 --epoch_count 7")
    assert rate("late") == pytest.approx(0, abs=1e-12)
    assert state("late")["progress"]["epoch"] == 9


def test_a_typed_rate_wins_over_the_state(run):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(
        train.main,
        "--name r --niter 9 --niter_decay 0 --max_dataset_size 1 --continue_train --lr 3e-5",
    )
    record = Path("checkpoints/r/opt.txt").read_text()
    assert "lr: 3e-05" in record


def test_a_run_stopped_after_its_last_step_ends_well(run, monkeypatch, recwarn):
    words = "--name r --niter 1 --niter_decay 0 --save_latest_freq 6"
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(InstaGANModel, "update_learning_rate", interrupted)
        run(train.main, words)
    assert state("r")["progress"]["images"] == 6
    run(train.main, f"{words} --continue_train")
    assert state("r")["progress"]["epoch"] == 2
    assert not [told for told in recwarn if "optimizer.step" in str(told.message)]


def interrupted(_):
    raise KeyboardInterrupt


def test_generators_alone_are_enough_to_start(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    for path in [Path("checkpoints/r/state.pt"), *Path("checkpoints/r").glob("*_D_*.pth")]:
        path.unlink()
    run(train.main, "--name r --niter 2 --niter_decay 0 --continue_train --epoch_count 2")
    assert "fresh optimisers and fresh D_A, D_B" in capsys.readouterr().out


def test_a_look_leaves_no_trace():
    for words in ("--dropout", "--norm batch"):
        model = double_model(words)
        scene = random_scene([1, 2], seed=1)
        before = [model.network_states(), torch.get_rng_state()]
        modes = [network.training for network in model.networks.values()]
        with model.undisturbed():
            model.translate(scene, "A")
        assert_same(before, [model.network_states(), torch.get_rng_state()])
        assert modes == [network.training for network in model.networks.values()]


def test_a_finished_run_says_so(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(train.main, "--name r --niter 1 --niter_decay 0 --continue_train")
    assert "nothing left to do" in capsys.readouterr().out


def test_weights_are_plain_official_files_and_enough_to_start(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0 --save_epoch_freq 1")
    names = {p.name for p in Path("checkpoints/r").glob("*.pth")}
    assert names == {
        f"{x}_net_{n}.pth" for x in ("latest", "1") for n in ("G_A", "G_B", "D_A", "D_B")
    }
    weights = torch.load("checkpoints/r/latest_net_D_A.pth", weights_only=True)
    assert "feature_img.0.module.weight_bar" in weights
    Path("checkpoints/r/state.pt").unlink()
    run(train.main, "--name r --niter 2 --niter_decay 0 --continue_train --epoch_count 2")
    assert "starting from the weights `latest` with fresh optimisers" in capsys.readouterr().out
    run(train.main, "--name r --niter 3 --niter_decay 0 --continue_train --epoch 1 --lr 0 --lr_D 0")
    assert "starting from the weights `1`" in capsys.readouterr().out


def test_the_state_alone_is_enough_to_translate(run):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    for path in Path("checkpoints/r").glob("*.pth"):
        path.unlink()
    run(test_command.main, "--name r")


def test_save_by_iter(run):
    run(train.main, "--name r --niter 1 --niter_decay 0 --save_latest_freq 2 --save_by_iter")
    assert {"iter_2_net_G_A.pth", "iter_6_net_D_B.pth"} <= {
        p.name for p in Path("checkpoints/r").iterdir()
    }
    run(test_command.main, "--name r --load_iter 4")
    assert Path("results/r/test_iter_4/index.html").is_file()


def test_official_weights_alone_tell_width_and_depth(run, capsys):
    """A folder with nothing but .pth files, with old keys: as the official code leaves them."""
    model = create_model(train_options("--ngf 6 --n_blocks 2"), torch.device("cpu"))
    folder = Path("checkpoints/official")
    folder.mkdir(parents=True)
    for name, weights in model.network_states().items():
        old = {f"module.{key}": value for key, value in weights.items()}
        if name.startswith("G"):
            old["module.encoder_img.2.running_mean"] = torch.zeros(6)
        torch.save(old, folder / f"200_net_{name}.pth")
    run(test_command.main, "--name official --epoch 200 --crop_size 32")
    out = capsys.readouterr().out
    assert "ngf 6" in out and "n_blocks 2" in out
    assert Path("results/official/test_200/index.html").is_file()


def break_file(path: Path, how: str) -> None:
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif how == "missing":
        path.unlink()
    elif how == "foreign":
        torch.save([1, 2], path)
    elif how == "malicious":
        torch.save({"x": shutil.rmtree}, path)


@pytest.mark.parametrize(
    "how,said",
    [
        ("truncated", "cannot be read"),
        ("missing", "no such checkpoint"),
        ("foreign", "no checkpoint"),
        ("malicious", "holds more than weights"),
    ],
)
def test_broken_checkpoints_are_named_in_one_line(run, capsys, how, said):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    weights, whole = Path("checkpoints/r/latest_net_G_A.pth"), Path("checkpoints/r/state.pt")
    if how == "missing":
        whole.unlink()
    break_file(weights, how)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(test_command.main, "--name r")
    assert stop.value.code == 2
    one_line_error(capsys, "latest_net_G_A.pth", said)
    if how != "missing":
        break_file(whole, how)
        before = whole.read_bytes()
        with pytest.raises(SystemExit) as stop:
            run(train.main, "--name r --niter 2 --niter_decay 0 --continue_train")
        assert stop.value.code == 2 and whole.read_bytes() == before
        one_line_error(capsys, "state.pt", "is not whole" if how == "truncated" else said)


def test_another_architecture_is_explained(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    for words in ("--ngf 6", "--n_blocks 2", "--netG basic"):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run(test_command.main, f"--name r {words}")
        assert stop.value.code == 2
        one_line_error(capsys, "another architecture", "latest_net_G_A.pth", "--ngf")
        with pytest.raises(SystemExit):
            run(train.main, f"--name r --continue_train {words}")
        one_line_error(capsys, "another architecture", "state.pt")


def test_files_are_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, fail)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]


def test_state_of_a_model_is_complete(tmp_path):
    model = double_model("--pool_size 3")
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(model, Progress(epoch=3, images=4, total=20, step=2), "latest")
    checkpoints.finish()
    progress = Progress()
    checkpoints.resume(model, progress)
    assert progress == Progress(epoch=3, images=4, total=20, step=2)


def test_schedules_follow_the_paper():
    def rates(words: str, epochs: int) -> list[float]:
        opt = train_options(words)
        optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule, seen = build_schedule(optimizer, opt), []
        for _ in range(epochs):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step(*([1.0] if opt.lr_policy == "plateau" else []))
        return seen

    assert rates("--niter 3 --niter_decay 3", 6) == pytest.approx([1, 1, 1, 0.75, 0.5, 0.25])
    assert rates("--niter 3 --niter_decay 3 --epoch_count 3", 3) == pytest.approx([1, 0.75, 0.5])
    assert rates("--lr_policy step --lr_decay_iters 2", 5) == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert rates("--lr_policy cosine --niter 2", 3) == pytest.approx([1, 0.5, 0])
    assert rates("--lr_policy step --lr_decay_iters 2 --epoch_count 3", 2) == pytest.approx(
        [0.1] * 2
    )
    assert rates("--lr_policy plateau", 9) == pytest.approx([1] * 7 + [0.2] * 2)


def test_due_counts_pictures_for_any_batch_size():
    progress, seen = Progress(), []
    for _ in range(10):
        progress.advance(3)
        if progress.due(10):
            seen.append(progress.total)
    assert seen == [12, 21, 30]
