"""The reproduction scripts: what is done is kept, what is left goes on, and pages are written."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import evaluate
import train
from conftest import one_line_error
from metrics.classifier import KINDS
from models.insta_gan_model import InstaGANModel
from scripts.reproduce import ablation, ablation_tables, drawn, mgd_gan, pasting, photos
from scripts.reproduce.runs import Laboratory, Row, Training
from scripts.reproduce.ways import Study, Way
from util.errors import UserError
from util.files import sole_owner

TINY = "--load_size 32 --crop_size 32 --ngf 4 --ndf 4 --n_blocks 1 --ins_max 2"


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Commands run in this process, in a folder of their own; returns those that were run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "memory_line", lambda *_: "")
    monkeypatch.setitem(KINDS, "small", type(KINDS["small"])(32, None, 2, 1e-3))
    made = []

    def call(self, command, log):
        made.append(command)
        (train if command[0] == "train.py" else evaluate).main(command[1:])

    monkeypatch.setattr(Laboratory, "call", call)
    return made


@pytest.fixture
def tiny_ablation(monkeypatch):
    monkeypatch.setattr(ablation, "DATA", "--size 32 --train 4 --test 2")
    monkeypatch.setattr(ablation, "SIZE", TINY)
    some = ("CycleGAN+Seg", "+ context loss", "+ sequential", "sequential, pasted")
    monkeypatch.setattr(ablation, "METHODS", {name: ablation.METHODS[name] for name in some})
    monkeypatch.setattr(ablation, "TRAINING", "--niter 1 --niter_decay 0 --display_id 0")


def test_the_ablation_from_nothing_to_its_page(calls, tiny_ablation, capsys):
    ablation.main("--seeds 1 --jobs 1 --dry_run".split())
    plan = capsys.readouterr().out.splitlines()
    scored = 2 + 3 * (2 + 2 + 3)  # CycleGAN+Seg on two tests, in one way; others on three
    assert len(plan) == 4 + scored and not calls and not Path("docs").exists()
    ablation.main("--seeds 1 --jobs 1".split())
    assert [command[0] for command in calls].count("train.py") == 4 and len(calls) == 4 + scored
    paths = {path.stem: path for path in Path("docs/results/ablation").glob("*.json")}
    rows = [json.loads(path.read_text()) for path in paths.values()]
    assert len(rows) == scored and {row["instances"] for row in rows} == {2, 6, 10}
    for stem, most in (("sequential_one_on2_0", 6), ("sequential_one_on10_0", 10)):
        row = json.loads(paths[stem].read_text())
        assert (row["method"], row["inference"]) == ("+ sequential", "_one")
        assert "--ins_per 1" in row["commands"][0] and f"--ins_per {most}" in row["commands"][1]
    for suffix, weights in (("", "raw"), ("_ema", "ema")):
        row = json.loads(paths[f"sequential_pasted{suffix}_on6_0"].read_text())
        assert f"--weights {weights}" in row["commands"][1] and "--paste" in row["commands"][0]
    assert row["machine"] and "image_shape_success" in row["scores"]["AtoB"]
    page = Path("docs/results.md").read_text()
    for words in (
        *ablation.METHODS,
        "One / Seq",
        "step 6",
        "holds in",
        "results/ablation_AtoB_6.png",
    ):
        assert words in page
    assert all(command in page for row in rows for command in row["commands"])
    assert Path("docs/results/ablation_BtoA_2.png").is_file()


def test_the_seams_from_nothing_to_their_table(calls, monkeypatch, tmp_path):
    ways = {"no pasting": Way(), "soft, 1": Way("--paste 1 --ema 4")}
    ways["soft, 1, raw"] = Way("--paste 1 --ema 4", "--weights raw")
    tiny = f"{TINY} --niter 1 --niter_decay 0 --no_html"
    study = Study("pasting", "--size 32 --train 4 --test 2", tiny, ways)
    monkeypatch.setattr(pasting, "STUDY", study)
    pasting.main("--seeds 1 --jobs 1".split())
    made = [command[0] for command in calls]
    assert made == 2 * ["train.py", "evaluate.py"] + ["evaluate.py"]
    assert calls[-1][-4:-2] == ["--weights", "raw"]
    page = Path("docs/results.md").read_text()
    assert "| soft, 1 |" in page and "seam L1" in page
    assert Path("docs/results/pasting_A.png").is_file()
    del calls[:]
    shutil.rmtree("results")
    pasting.main("--seeds 1 --jobs 1".split())
    assert not calls and Path("docs/results.md").read_text() == page


def test_the_study_of_mgd_gan_trains_what_rows_share_once(calls, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("scripts.reproduce.ablation.DATA", "--size 32 --train 4 --test 2")
    rivals = {"InstaGAN, one step": mgd_gan.Rival("", 2)}
    monkeypatch.setattr(mgd_gan, "RIVALS", rivals)
    monkeypatch.setattr(mgd_gan, "WATCHED", (*rivals, mgd_gan.JOINED))
    monkeypatch.setattr(mgd_gan, "PARTS", (0.5,))
    monkeypatch.setattr(mgd_gan, "SIZE", TINY)
    monkeypatch.setattr(mgd_gan, "MGD", "--model mgd_gan --halvings 4")
    monkeypatch.setattr(mgd_gan, "EPOCHS", {"mask": 2, "image": 2, "e2e": 1})
    monkeypatch.setattr(mgd_gan, "TESTS", (2,))
    kept = ("A: MGD-GAN", "B: without L_reg", "D: without fine-tuning")
    rows = {name: mgd_gan.ROWS[name] for name in kept}
    monkeypatch.setattr(mgd_gan, "ROWS", rows)
    mgd_gan.main("--seeds 1 --jobs 1".split())
    trained = [command[2] for command in calls if command[0] == "train.py"]
    stages = ["stage_mask_0", "stage_mask_lambda_reg_0_0", "stage_image_0"]
    assert sorted(trained[:5]) == sorted(["instagan_one_step_0", "e_end_to_end_0", *stages])
    joined = ["d_without_fine_tuning_0", "d_without_fine_tuning_at_1_1_0"]
    assert sorted(trained[5:]) == ["a_mgd_gan_0", "b_without_l_reg_0", *joined]
    row = json.loads(Path("docs/results/mgd_gan/a_mgd_gan_on2_0.json").read_text())
    assert (
        len(row["commands"]) == 4
        and "--start_from stage_mask_0:latest stage_image_0:latest" in row["commands"][2]
    )
    seconds = [
        json.loads(Path(f"checkpoints/mgd_gan/{n}/training.json").read_text())["seconds"]
        for n in ("stage_mask_0", "stage_image_0", "a_mgd_gan_0")
    ]
    assert row["training_seconds"] == round(sum(seconds))
    page = Path("docs/mgd_gan.md").read_text()
    for words in (
        *kept,
        "real pictures of the target",
        "the sources, untouched",
    ):
        assert words in page, words
    real, untouched = (
        float(next(line for line in page.splitlines() if words in line).split(" | ")[6])
        for words in ("real pictures", "untouched")
    )
    assert real > 40 and untouched == 0
    along = [line for line in page.splitlines() if line.count(" min)") == 2]
    assert len(along) == 2 and all("–" not in line for line in along)
    assert "results/mgd_gan_A_2.png" in page and Path("docs/results/mgd_gan_B_2.png").is_file()
    del calls[:]
    mgd_gan.main("--seeds 1 --jobs 1".split())
    assert not calls


def test_what_is_done_is_not_done_again(calls, tiny_ablation, capsys):
    ablation.main("--seeds 1 --jobs 1".split())
    page = Path("docs/results.md")
    page.write_text("# Mine\n\n" + page.read_text() + "\nand this\n")
    del calls[:]
    lost = Path("docs/results/ablation/context_loss_seq_on6_0.json")
    lost.unlink()
    ablation.main("--seeds 1 --jobs 1".split())
    assert [command[0] for command in calls] == ["evaluate.py"] and lost.is_file()
    assert page.read_text().startswith("# Mine") and page.read_text().endswith("and this\n")
    ablation.main("--seeds 1 --jobs 1 --dry_run".split())
    assert "to do" not in capsys.readouterr().out.split("scores:")[-1]


def test_a_clone_with_rows_and_no_translations_keeps_its_page(calls, tiny_ablation, capsys):
    ablation.main("--seeds 1 --jobs 1".split())
    page, made = Path("docs/results.md").read_text(), len(calls)
    shutil.rmtree("results")
    ablation.main("--seeds 1 --jobs 1".split())
    assert Path("docs/results.md").read_text() == page and len(calls) == made
    assert "stay as they are" in capsys.readouterr().out


def training_of(shapes: Path, words: str = "--niter 2") -> Training:
    more = f"{TINY} --display_id 0 --save_latest_freq 2 --niter_decay 0 {words}"
    return Training("r", ("--dataroot", str(shapes), *more.split()))


def test_a_training_that_was_stopped_goes_on(calls, shapes, tmp_path, monkeypatch):
    """Interrupted in its first epoch, then to the end; the time of both attempts is counted."""
    laboratory, training = Laboratory(tmp_path / "rows", 1, "-1"), training_of(shapes)
    step, steps = InstaGANModel.train_step, []

    def interrupted(self, scenes):
        steps.append(1)
        if len(steps) == 5:
            raise UserError("stopped")
        step(self, scenes)

    with monkeypatch.context() as patch:
        patch.setattr(InstaGANModel, "train_step", interrupted)
        with pytest.raises(SystemExit):
            laboratory.train(training)
    first = laboratory.trained(training)
    assert first["seconds"] > 0 and not first["done"]
    laboratory.train(training)
    second = laboratory.trained(training)
    assert "--continue_train" in calls[-1] and second["done"]
    assert second["seconds"] > first["seconds"]
    log = (laboratory.work / "r/loss_log.txt").read_text()
    assert "epoch: 2" in log
    laboratory.train(training)
    assert len(calls) == 2


def test_the_time_of_a_killed_attempt_counts_until_its_last_checkpoint(calls, shapes, tmp_path):
    laboratory, training = Laboratory(tmp_path / "rows", 1, "-1"), training_of(shapes)
    laboratory.train(training)
    path = laboratory.work / "r/training.json"
    known = json.loads(path.read_text())
    since = (laboratory.work / "r/state.pt").stat().st_mtime - 1000
    path.write_text(json.dumps(known | {"done": False, "since": since, "seconds": 0}))
    laboratory.train(training)
    assert 1000 <= laboratory.trained(training)["seconds"] < 1100


def test_other_options_are_another_training(calls, shapes, tmp_path):
    laboratory = Laboratory(tmp_path / "rows", 1, "-1")
    training = training_of(shapes, "--niter 1")
    row = Row("row", training, ("--dataroot", str(shapes), "--metrics", "background"), {})
    laboratory.run([row])
    assert laboratory.record(row) and len(calls) == 2
    rescored = Row("row", training, (*row.options, "--num_test", "1"), {})
    assert laboratory.record(rescored) is None
    laboratory.run([rescored])
    assert [command[0] for command in calls] == ["train.py", "evaluate.py", "evaluate.py"]
    with pytest.raises(UserError, match="trained with other options"):
        laboratory.run([Row("row", training_of(shapes, "--niter 3"), row.options, {})])


def test_scores_of_other_pictures_are_another_rows(calls, shapes, tmp_path):
    """Drawn anew, with other options in the same folder, they have the same commands."""
    laboratory = Laboratory(tmp_path / "rows", 1, "-1")
    training = training_of(shapes, "--niter 1")
    row = Row("row", training, ("--dataroot", str(shapes), "--metrics", "background"), {})
    laboratory.run([row])
    assert laboratory.record(row)
    assert laboratory.record(replace(row, data="--size 32")) is None
    trained_on = replace(row, training=replace(training, data="--size 32"))
    assert laboratory.record(trained_on) is None
    with pytest.raises(UserError, match="trained on other pictures"):
        laboratory.run([trained_on])


def test_a_training_has_one_process_at_a_time(calls, shapes, tmp_path):
    laboratory = Laboratory(tmp_path / "rows", 1, "-1")
    row = Row("row", training_of(shapes, "--niter 1"), ("--dataroot", str(shapes)), {})
    folder = laboratory.work / "r"
    folder.mkdir(parents=True)
    with sole_owner(folder, "it"), pytest.raises(UserError, match="another process"):
        laboratory.run([row])
    assert not calls


def test_a_half_translated_row_spoils_no_page(calls, tiny_ablation, tmp_path):
    words = ["--seeds", "1", "--jobs", "1", "--data", str(tmp_path / "with a space")]
    ablation.main(words)
    row = Path("docs/results/ablation/sequential_on6_0.json")
    row.unlink()
    images = Path("results/ablation/sequential_on6_0/sequential_0/test_latest/images")
    for path in images.iterdir():
        path.unlink()
    args = drawn.parse("", "datasets/ablation", words)
    rows = ablation.rows_of(0, args)
    laboratory = Laboratory(args.folder / "ablation", 1, "-1")
    ablation_tables.write(laboratory, rows, args.folder)
    assert len(laboratory.done(rows)) == 22 and "–" in Path("docs/results.md").read_text()


def test_data_is_drawn_once_and_whole(tmp_path, monkeypatch, tiny_ablation):
    ablation.draw_data(tmp_path)
    count = len(list((tmp_path / "exactly_6/testA").iterdir()))
    assert count == 2 and not list(tmp_path.glob("*partial*"))
    monkeypatch.setattr(drawn.generate_shapes_dataset, "main", None)
    ablation.draw_data(tmp_path)  # draws nothing


def test_a_command_that_fails_is_one_line_and_the_others_go_on(tmp_path, monkeypatch, shapes):
    monkeypatch.chdir(tmp_path)
    laboratory = Laboratory(Path("rows"), 1, "-1")
    rows = [
        Row(name, Training(name, ("--dataroot", str(shapes), "--niter", "x")), (), {})
        for name in "ab"
    ]
    with pytest.raises(UserError, match=r"train.py ended with 2: error: .*--niter.*a\.log"):
        laboratory.run(rows)
    assert Path("checkpoints/rows/logs/b.log").is_file()


def test_photos_are_trained_for_some_minutes(calls, shapes, monkeypatch, capsys):
    monkeypatch.setattr(photos, "METRICS", "background,classification")
    words = (
        f"--tables ccp --data {shapes} --size 32 32 --ngf 4 --n_blocks 1 --batch_size 2 --device -1"
    )
    words += " --classifier small --minutes 0.002"
    photos.main([*words.split(), "--dry_run"])
    plan = capsys.readouterr().out
    assert not calls and "--crop_size 32 32" in plan and "not measured yet" in plan
    photos.main(words.split())
    assert [command[1:3] for command in calls if "timed" in command[2]]
    rows = [json.loads(path.read_text()) for path in Path("docs/results/ccp").glob("*.json")]
    assert {(row["method"], row["phase"]) for row in rows} == {
        (m, p) for m in photos.METHODS for p in ("train", "test")
    }
    page = Path("docs/results.md").read_text()
    assert "pants to shorts" in page and "classification real test" in page and "ccp.png" in page
    del calls[:]
    shutil.rmtree("checkpoints")  # as in a clone: rows alone say how many epochs there were
    photos.main(words.split())
    assert not calls
    capsys.readouterr()
    photos.main([*words.split(), "--dry_run"])
    plan = capsys.readouterr().out
    assert "to do" not in plan and "not measured" not in plan
    photos.main([*words.replace("0.002", "0.003").split(), "--dry_run"])
    assert "to do" in capsys.readouterr().out


def test_mistakes_are_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for main, words, said in (
        (ablation.main, "--seeds 0", "--seeds 0"),
        (photos.main, "--size 32 32 --data x", "--data"),
        (photos.main, "--size 32 32 --tables ccp --data nowhere", "nowhere"),
        (photos.main, "--size 32 32 --tables ccp --minutes 0", "--minutes"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(words.split())
        assert stop.value.code == 2
        one_line_error(capsys, said)
