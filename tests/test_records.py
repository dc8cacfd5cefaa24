"""What a run reports, and what is made of it: panels, alarms, curves of some length."""

import json

import pytest
import torch

import train
from conftest import double_model, random_scene, train_options
from data import create_dataset
from data.scene import Scene
from loggers.records import (
    Curves,
    alarms,
    continuous,
    cut_logs,
    make_record,
    panels,
    read_records,
    smoothed,
    thinned,
)
from models import create_model
from models.insta_gan_model import InstaGANModel
from models.losses import mask_counts
from models.mask_facts import mask_facts
from models.showcase import Showcase
from training.progress import Progress

CURVES = Curves.of(InstaGANModel)


def record(total: int, **more) -> dict:
    facts = {"time": 0.3, "data": 0.1, "images_per_s": 2.5, "lr": {"G": 2e-4, "D": 1e-4}}
    losses = {"D_A": 0.2, "G_A": 0.3, "G_B": 0.4, "cyc_A": float("inf"), "odd": 1.0}
    return make_record(Progress(epoch=2, images=4, total=total), losses, facts | more)


def test_panels_have_one_role_and_both_directions():
    masks = {"area": {"A": 0.9, "B": 1.1}, "kept": {"A": 1.0, "B": 0.5}}
    found = panels(record(8, masks=masks, memory=2_000_000_000), CURVES)
    assert found["adversarial loss, generators"] == {"G_A": 0.3, "G_B": 0.4}
    assert found["adversarial loss, discriminators"] == {"D_A": 0.2}
    assert found["cycle loss"] == {"cyc_A": None} and found["odd loss"] == {"odd": 1.0}
    assert found["learning rate"] == {"G": 2e-4, "D": 1e-4}
    assert found["share of time waiting for data"] == {"share": pytest.approx(0.25)}
    assert found["mask area, translated / real"] == {"A to B": 0.9, "B to A": 1.1}
    assert found["instances, translated / real"]["B to A"] == 0.5
    assert found["GPU memory, GB"] == {"peak": 2.0}
    assert "GPU memory, GB" not in panels(record(8), CURVES)


def test_scores_have_panels_and_are_never_thinned_out():
    scores = {"AtoB": {"mask_iou": 0.5}, "BtoA": {"mask_iou": 0.7}}
    many = [record(i, **({"scores": scores} if i == 3 else {})) for i in range(9)]
    assert panels(many[3], CURVES)["validation: mask_iou"] == {"A to B": 0.5, "B to A": 0.7}
    assert [one["total"] for one in thinned(many, points=2)] == [3, 8]
    assert [one["total"] for one in thinned(many, points=9)] == list(range(9))


def test_a_log_is_read_but_for_what_was_cut_short(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_records(path) == []
    lines = [json.dumps(record(total)) for total in (4, 8, 12)]
    odd = ["null", "7", '{"total": 5}', '{"total": 5, "epoch": 1, "iters": 5, "losses": null}']
    path.write_text("\n".join([*lines, *odd, lines[0][:40]]))
    assert [one["total"] for one in read_records(path)] == [4, 8, 12]


def test_logs_end_where_the_run_goes_on(tmp_path):
    """What a killed run had written after its checkpoint at 8, and a torn last line."""
    log, text = tmp_path / "metrics.jsonl", tmp_path / "loss_log.txt"
    lines = [json.dumps(record(total)) + "\n" for total in (4, 8, 12)]
    log.write_text("".join([*lines, lines[0][:40]]))
    told = [
        "=== Training Loss ===\n",
        *(f"(epoch: 1, iters: {i}, time: 1) x\n" for i in (4, 8, 12)),
    ]
    text.write_text("".join([*told, "(epo"]))
    cut_logs(tmp_path, Progress(epoch=1, images=8, total=8))
    assert log.read_text() == "".join(lines[:2]) and text.read_text() == "".join(told[:3])
    cut_logs(tmp_path, Progress(epoch=2, images=0, total=8))
    assert log.read_text() == "".join(lines[:2]) and text.read_text() == "".join(told[:3])
    cut_logs(tmp_path, Progress())  # a run that begins in an earlier one's folder
    assert not log.exists() and (tmp_path / "old_metrics.jsonl").read_text() == "".join(lines[:2])


def test_a_run_that_went_back_has_one_past():
    """Killed at 16, it went on from its checkpoint at 8."""
    totals = [4, 8, 12, 16, 12, 16, 20]
    own = [record(total, images_per_s=place) for place, total in enumerate(totals)]
    assert [(one["total"], one["images_per_s"]) for one in continuous(own)] == [
        *((4, 0), (8, 1), (12, 4), (16, 5), (20, 6))
    ]


def test_long_curves_keep_their_end():
    records = [record(total) for total in range(1, 5001)]
    some = thinned(records, 100)
    assert len(some) <= 101 and some[-1]["total"] == 5000
    steps = {b["total"] - a["total"] for a, b in zip(some, some[1:], strict=False)}
    assert steps == {50} and thinned([]) == [] and thinned(records[:3]) == records[:3]


def test_a_collapse_is_an_alarm_until_it_is_over():
    def at(total, empty, full=0.0):
        return record(total, masks={"empty": {"A": empty, "B": 0.0}, "full": {"A": 0.0, "B": full}})

    healthy, empty = [at(t, 0.0) for t in (4, 8)], [at(t, 1.0) for t in (12, 16, 20)]
    assert (
        alarms(healthy, CURVES)
        == alarms([*healthy, *empty[:2]], CURVES)
        == alarms([record(4)] * 5, CURVES)
        == []
    )
    assert alarms([*healthy, *empty], CURVES) == [
        "A to B: the translated masks are all empty since picture 12"
    ]
    assert alarms([*empty, at(24, 0.5)], CURVES) == []
    full = [at(t, 0.0, 1.0) for t in (4, 8, 12)]
    assert alarms(full, CURVES) == ["B to A: the translated masks are all full since picture 4"]


def test_smoothing_is_an_exponential_mean():
    assert smoothed([1.0, 2.0, None, 4.0], 0.5) == [1.0, 1.5, None, 2.75]
    assert smoothed([1.0, 3.0], 0.0) == [1.0, 3.0]


# ---- the model's facts


def masks(*rows: list[int]) -> torch.Tensor:
    """One sample's masks of 4x4 pixels, the first so many of them set."""
    flat = torch.arange(16)
    return torch.stack([torch.where(flat < n, 1.0, -1.0).view(4, 4) for n in rows])[None]


def test_mask_facts_by_hand():
    image = torch.zeros(1, 3, 4, 4)
    present = torch.tensor([[True, True, True, False]])
    source = Scene(image, masks(4, 2, 2, 0), present)
    fake = Scene(image, masks(8, 0, 16, 9), present)  # the last one is no instance
    counts = mask_counts(source, fake)
    assert counts.tolist() == [3, 8, 24, 1, 1]
    counts = counts + mask_counts(source, source)
    assert mask_facts({"A": counts.tolist(), "B": [0.0] * 5}) == {
        "area": {"A": 2.0},
        "kept": {"A": pytest.approx(5 / 6)},
        "empty": {"A": pytest.approx(1 / 6)},
        "full": {"A": pytest.approx(1 / 6)},
    }


@pytest.mark.parametrize("ins_per", [1, 3])
def test_facts_of_a_step_are_those_of_its_last_canvas(ins_per):
    """The same from accumulated parts, in sequential steps and in one."""
    found = []
    for words in ("", " --accumulate 2"):
        model = double_model(
            f"--batch_size 2 --ins_max 3 --ins_per {ins_per}{words} --lr 0 --lr_D 0"
        )
        model.step({d: random_scene([3, 1], seed=ord(d), slots=3) for d in "AB"})
        found.append(model.get_current_facts()["masks"])
    for name, own in found[0].items():
        assert own == pytest.approx(found[1][name]), name
    assert set(found[0]["area"]) == {"A", "B"} and model.get_current_facts() == {}


def test_a_last_batch_with_fewer_pictures_than_parts(run, tmp_path):
    """Then a part is empty, and has no mask to measure."""
    words = "--max_dataset_size 3 --batch_size 2 --accumulate 2"
    run(train.main, f"--name r --niter 1 --niter_decay 0 --no_html {words}")
    assert read_records(tmp_path / "checkpoints/r/metrics.jsonl")


def test_reports_have_mask_facts_where_there_are_masks(run, tmp_path):
    run(train.main, "--name r --niter 1 --niter_decay 0 --print_freq 2")
    run(train.main, "--name c --model cycle_gan --niter 1 --niter_decay 0 --print_freq 2")
    (instagan, *_), (cyclegan, *_) = (
        read_records(tmp_path / f"checkpoints/{name}/metrics.jsonl") for name in "rc"
    )
    assert set(instagan["masks"]) == {"area", "kept", "empty", "full"}
    assert "masks" not in cyclegan


# ---- the pictures that are shown


def test_what_is_shown_are_the_first_pictures_of_a_phase(shapes, tmp_path):
    opt = train_options()
    opt.dataroot = str(shapes)
    model = create_model(opt, torch.device("cpu"))
    showcase = Showcase(opt, create_dataset(opt), model)
    look = showcase.look()
    assert list(look) == ["A to B", "B to A"]
    columns = [column for shown in look.values() for column in shown]
    assert " ".join(c.role for c in columns) == "real_A fake_B rec_A real_B fake_A rec_B"
    assert [c.title for c in columns[:3]] == ["source", "translation", "and back"]
    assert columns[0].scene.names == sorted(p.stem for p in (shapes / "testA").glob("*.png"))
    assert {column.scene.image.device.type for column in columns} == {"cpu"}
    again = showcase.look()
    assert torch.equal(columns[1].scene.image, again["A to B"][1].scene.image)


def test_looking_leaves_no_trace(run, tmp_path):
    """Weights and losses of a run that shows pictures at every step, and of one that shows none."""
    words = "--niter 1 --niter_decay 0 --print_freq 1 --batch_size 2 --dropout"
    run(train.main, f"--name seen {words} --update_html_freq 1")
    run(train.main, f"--name unseen {words} --no_html")
    states = [
        torch.load(tmp_path / f"checkpoints/{n}/state.pt", weights_only=True)
        for n in ("seen", "unseen")
    ]
    networks = [
        state["model"]["networks"] if "model" in state else state["networks"] for state in states
    ]
    for name, tensors in networks[0].items():
        for key, value in tensors.items():
            assert torch.equal(value, networks[1][name][key]), (name, key)
    own = [
        [one["losses"] for one in read_records(tmp_path / f"checkpoints/{n}/metrics.jsonl")]
        for n in ("seen", "unseen")
    ]
    assert own[0] == own[1] and len(own[0]) == 3
