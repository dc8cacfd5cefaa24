"""evaluate.py from end to end, on translations whose scores are known, and on bad input."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation
from torch import nn
from torchvision.models import resnet18

import evaluate
import test as test_command
import train
from conftest import one_line_error
from metrics.classifier import KINDS, Classifier, Normalize
from metrics.detectors import MaskRCNN, build_mask_rcnn, category_id
from metrics.features import Features, frechet_distance, inception_file, kernel_distance
from metrics.pairs import PairFolder
from metrics.perceptual import Perceptual
from metrics.reals import Preparation, RealPictures
from metrics.shapes import Backgrounds, shown
from metrics.weights import load_weights
from options import evaluate_options
from util.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch):
    """Classifiers of a few steps, enough for red and blue."""
    monkeypatch.setitem(KINDS, "small", replace(KINDS["small"], steps=60))


def copy_as_results(root: Path, folder: Path, phase: str = "test", foreign: bool = False) -> Path:
    """Pictures of each domain as their own translations; or random ones of the other domain."""
    images = folder / "images"
    images.mkdir(parents=True)
    for source, target in ("AB", "BA"):
        stems = sorted(path.stem for path in (root / f"{phase}{source}").glob("*.png"))
        for stem in stems:
            fake = root / f"{phase}{target if foreign else source}" / f"{stem}.png"
            shutil.copy(
                root / f"{phase}{source}" / f"{stem}.png", images / f"{stem}_real_{source}_img.png"
            )
            shutil.copy(fake, images / f"{stem}_fake_{target}_img.png")
            for path in (root / f"{phase}{source}_seg").glob(f"{stem}_*.png"):
                number = path.stem.rpartition("_")[2]
                for role in (f"real_{source}", f"fake_{target}"):
                    shutil.copy(path, images / f"{stem}_{role}_mask_{number}.png")
    return folder


def scores(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def call(words: str) -> None:
    evaluate.main([*words.split(), "--gpu_ids", "-1"])


# ---- known scores


def test_nothing_changed(shapes, tmp_path, capsys):
    folder = copy_as_results(shapes, tmp_path / "same")
    call(f"--dataroot {shapes} --results {folder} --metrics auto,detection")
    for own in scores(folder).values():
        assert own["background_l1"] == 0 and own["background_psnr"] == 100
        assert own["background_ssim"] == pytest.approx(1)
        assert own["mask_kept"] == own["mask_area_ratio"] == own["mask_iou"] == 1
        assert own["all_empty"] == own["all_full"] == own["mask_shape_success"] == 0
        assert own["mmr"] == own["mods"] == own["mvis"] == 0  # disks are no triangles
    detail = json.loads((folder / "metrics_detail.json").read_text())
    assert detail["AtoB"]["pictures_scored"] == 3
    assert detail["AtoB"]["intervals_95"]["background_l1"] == [0, 0]
    assert detail["AtoB"]["sets"]["mmr_pooled"]["protocol"].startswith("the exact detector")
    said = capsys.readouterr().out
    assert "A to B" in said and "background psnr" in said


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Enough pictures to tell the domains apart."""
    from datasets import generate_shapes_dataset

    root = tmp_path_factory.mktemp("many")
    generate_shapes_dataset.main(f"--save_root {root} --size 32 --train 24 --test 12".split())
    return root


def test_classification_knows_the_target_from_the_source(many, tmp_path):
    """Pictures of the target domain score as real ones do; untouched ones as nothing."""
    words = f"--dataroot {many} --metrics classification,masked_classification --classifier small"
    right = copy_as_results(many, tmp_path / "right", foreign=True)
    wrong = copy_as_results(many, tmp_path / "wrong")
    call(f"{words} --results {right} {wrong}")
    for own, none in zip(scores(right).values(), scores(wrong).values(), strict=True):
        assert own["classification"] == own["classification_real_test"] >= 0.9
        assert own["classification_real_train"] >= 0.9
        assert none["classification"] == pytest.approx(0, abs=0.1)
        assert none["masked_classification"] <= 0.1 < 0.9 <= none["masked_classification_real_test"]


def test_distances_of_features_rank_translations(many, tmp_path):
    words = f"--dataroot {many} --metrics fid,kid --classifier small"
    right = copy_as_results(many, tmp_path / "right", foreign=True)
    wrong = copy_as_results(many, tmp_path / "wrong")
    call(f"{words} --results {right} {wrong}")
    for own, other in zip(scores(right).values(), scores(wrong).values(), strict=True):
        assert abs(own["fid_small"]) < 0.01 < 1 < other["fid_small"]
        assert own["kid_small"] < other["kid_small"]
    sets = json.loads((right / "metrics_detail.json").read_text())["AtoB"]["sets"]
    assert sets["fid_small"]["count"] == 12 and "12 real pictures" in sets["fid_small"]["protocol"]


# ---- independent computations


def test_fid_of_gaussians_is_the_closed_form():
    """|m - n|^2 + tr(C + D - 2 (C D)^(1/2)) for commuting C and D."""
    generator = torch.Generator().manual_seed(0)

    def sample(mean, deviations):
        """Points whose mean and covariance are exactly these."""
        points = torch.randn(4000, 3, generator=generator, dtype=torch.float64)
        points -= points.mean(0)
        white = points @ torch.linalg.inv(torch.linalg.cholesky(points.T.cov())).T
        return white * torch.tensor(deviations, dtype=torch.float64) + torch.tensor(mean)

    real, fake = sample([0.0, 1, 2], [1, 2, 3]), sample([1.0, 1, 0], [2, 2, 1])
    expected = (1 + 4) + (2 - 1) ** 2 + 0 + (3 - 1) ** 2
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-8)


def test_kid_is_the_unbiased_mmd():
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(8, 5, generator=generator, dtype=torch.float64) + i for i in (0, 1))

    def kernel(x, y):
        return (x @ y.T / 5 + 1) ** 3

    def mmd(x, y):
        m = len(x)
        within = (kernel(z, z).sum() - kernel(z, z).trace() for z in (x, y))
        return sum(within) / (m * (m - 1)) - 2 * kernel(x, y).mean()

    subsets = torch.combinations(torch.arange(8), 4)
    expected = torch.stack(
        [mmd(real[a], fake[b]) for a in subsets[::7] for b in subsets[::7]]
    ).mean()
    value, spread = kernel_distance(real, fake)
    assert value == pytest.approx(expected.item(), rel=0.2) and spread > 0
    assert kernel_distance(real, fake) == (value, spread)  # the same subsets again


def test_inception_weights_that_are_there_are_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert inception_file(None) is None
    path = tmp_path / "hub/checkpoints/pt_inception-2015-12-05-6726825d.pth"
    path.parent.mkdir(parents=True)
    path.touch()
    assert inception_file(None) == path
    with pytest.raises(UserError, match="--inception_weights"):
        inception_file("nowhere.pth")
    features = Features("mean", lambda pictures: pictures.float().mean((2, 3)))
    assert features.num_features == 3


def test_lpips_sees_the_background_alone(shapes, tmp_path):
    class Distance(nn.Module):
        def forward(self, x, y):
            return (x - y).abs().mean((1, 2, 3), keepdim=True)

    folder = PairFolder(copy_as_results(shapes, tmp_path / "r"))
    pairs = next(folder.load("A", 3))
    inverted = [
        replace(p, translated=np.where(p.foreground[..., None], 255 - p.image, p.image))
        for p in pairs
    ]
    dimmed = [replace(p, translated=p.image // 2) for p in pairs]
    metric = Perceptual(Distance(), CPU)
    assert all(row == {"background_lpips": 0} for row in metric.pictures(inverted))
    assert all(row["background_lpips"] > 0.1 for row in metric.pictures(dimmed))


# ---- classifiers and their weights


def test_the_same_seed_trains_the_same_classifier():
    pictures = {
        d: [torch.full((3, 20, 24), v + i, dtype=torch.uint8) for i in range(12)]
        for d, v in (("A", 20), ("B", 200))
    }
    trained = []
    for _ in range(2):
        classifier = Classifier("small", "none", CPU, seed=3)
        classifier.fit(pictures)
        trained.append(classifier.scores(torch.stack(pictures["A"])))
    assert torch.equal(*trained)
    assert classifier.accuracy(pictures["A"], "A") == classifier.accuracy(pictures["B"], "B") == 1
    assert classifier.features(torch.stack(pictures["A"])).shape == (12, 128)


def test_resnet_from_a_file_keeps_all_but_its_last_stage(tmp_path):
    torch.manual_seed(0)
    network = resnet18()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    classifier = Classifier("resnet18", str(tmp_path / "w.pth"), CPU)
    classifier.kind = type(classifier.kind)(32, None, 2, 1e-3)
    classifier.body[0] = Normalize(32)
    frozen = {k: v.clone() for k, v in classifier.body.state_dict().items()}
    assert any(torch.equal(network.conv1.weight, v) for v in frozen.values())
    head = [w.clone() for w in classifier.head.parameters()]
    classifier.fit({d: [torch.zeros(3, 32, 32, dtype=torch.uint8)] * 2 for d in "AB"})
    assert all(torch.equal(v, frozen[k]) for k, v in classifier.body.state_dict().items())
    assert not all(
        torch.equal(*pair) for pair in zip(head, classifier.head.parameters(), strict=True)
    )


def test_weights_of_another_architecture_are_one_line(many, tmp_path, capsys):
    torch.save(resnet18().state_dict(), tmp_path / "w.pth")
    folder = copy_as_results(many, tmp_path / "r")
    with pytest.raises(SystemExit):
        call(
            f"--dataroot {many} --results {folder} --metrics classification --weights {tmp_path}/w.pth"
        )
    one_line_error(capsys, "w.pth", "VGG", "features.0.weight is missing there")
    bare = nn.Linear(2, 2)
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in bare.state_dict().items()}}, tmp_path / "l.pth"
    )
    other = nn.Linear(2, 2)
    load_weights(other, tmp_path / "l.pth", "--weights")
    assert torch.equal(bare.weight, other.weight)


def test_weights_that_cannot_be_fetched_are_one_line(many, tmp_path, capsys, monkeypatch):
    def unreachable(*_, **__):
        from urllib.error import URLError

        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    folder = copy_as_results(many, tmp_path / "r")
    for metric, file in (("classification", "vgg16-397923af.pth"), ("lpips", "alexnet")):
        with pytest.raises(SystemExit):
            call(f"--dataroot {many} --results {folder} --metrics {metric}")
        one_line_error(capsys, file, "no network", str(tmp_path))
    with pytest.raises(SystemExit):
        call(f"--dataroot {many} --results {folder} --metrics fid --features inception")
    one_line_error(capsys, "pt_inception", "--inception_weights")


# ---- models


@pytest.mark.parametrize("model", ["insta_gan", "cycle_gan", "cycle_gan_seg"])
def test_a_trained_model_is_translated_and_scored(run, shapes, model, capsys):
    run(train.main, f"--name r --model {model} --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --metrics auto,detection")
    folder = Path("results/r/test_latest")
    own = scores(folder)["AtoB"]
    assert {"image_shape_success", "image_shape_success_85", "background_l1", "mmr"} <= own.keys()
    assert ("mask_kept" in own) == ("mask_shape_success" in own) == (model == "insta_gan")
    assert ("mask_iou" in own) == (model != "cycle_gan")
    assert "image shape success" in (folder / "index.html").read_text()
    names = {path.name for path in (folder / "images").iterdir()}
    assert "00000_real_A_mask_0.png" in names
    assert ("00000_fake_B_mask_0.png" in names) == (model == "insta_gan")
    assert "00000_fake_B_img.png" in names and "3 of 3" in capsys.readouterr().out


def test_options_of_test_py_are_handed_on(run):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --direction AtoB --num_test 2 --ins_per 1 --results_dir other")
    assert list(scores(Path("other/r/test_latest"))) == ["AtoB"]


def test_what_an_earlier_translation_left_is_not_scored(run):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(test_command.main, "--name r")
    run(test_command.main, "--name r --num_test 1 --direction BtoA")
    folder = PairFolder(Path("results/r/test_latest"))
    assert {source: len(pairs) for source, pairs in folder.pairs.items()} == {"B": 1}


def test_masks_of_an_earlier_translation_are_not_scored(run):
    """The same folder, first with all instances and then with one of each picture."""
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r")
    folder = Path("results/r/test_latest")
    before = json.loads((folder / "metrics_detail.json").read_text())["AtoB"]["counts"]["mask_kept"]
    run(test_command.main, "--name r --instances 0")
    assert not (folder / "metrics.json").exists()
    assert (folder / "images").glob("*_mask_1.png")
    for pair in PairFolder(folder).pairs["A"]:
        assert len(pair.load().masks) == 1
    assert before > 3


def test_the_phase_is_that_of_the_results(run, shapes, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(test_command.main, "--name r --phase train")
    call(
        f"--dataroot {shapes} --results results/r/train_latest --metrics auto,fid --classifier small"
    )
    detail = json.loads(Path("results/r/train_latest/metrics_detail.json").read_text())
    assert f"{shapes}/trainB" in detail["AtoB"]["sets"]["fid_small"]["protocol"].replace(
        "of train", f"of {shapes}/train"
    )
    with pytest.raises(SystemExit):
        call(f"--dataroot {shapes} --results results/r/train_latest --phase test")
    one_line_error(capsys, "--phase test", "results of train")


@pytest.mark.parametrize(
    "words", ["--load_size 48 --crop_size 32", "--input_nc 1 --output_nc 1", "--keep_size"]
)
def test_backgrounds_and_reals_are_made_as_the_sources_were(run, shapes, words):
    """Cropped, grey, of their own size: what is no object does not differ from the background."""
    extra = words if "nc" in words else ""
    run(train.main, f"--name r --niter 1 --niter_decay 0 {extra}")
    run(test_command.main, f"--name r --num_test 2 {words if not extra else ''}")
    folder = PairFolder(Path("results/r/test_latest"))
    preparation = Preparation.of(folder.listing, (1, 1))
    reals = RealPictures(shapes, "test", preparation)
    for source in "AB":
        background = Backgrounds(shapes, "test", source, preparation)
        real = list(reals.of(source, with_masks=True))
        for files, (image, union) in zip(folder.pairs[source], real, strict=False):
            pair = files.load()
            assert np.array_equal(pair.image, image) and np.array_equal(pair.foreground, union)
            around = binary_dilation(pair.foreground, iterations=3)  # soft edges
            assert not (shown(pair.image, background(pair)) & ~around).any()


def test_a_direction_alone_is_classified(run, many):
    run(train.main, "--name r --niter 1 --niter_decay 0", dataroot=many)
    half = Path("half")
    for name in ("trainA", "trainB", "trainA_seg", "trainB_seg", "testA", "testA_seg"):
        shutil.copytree(many / name, half / name)
    run(
        evaluate.main,
        "--name r --direction AtoB --metrics classification --classifier small",
        dataroot=half,
    )
    own = scores(Path("results/r/test_latest"))["AtoB"]
    assert "classification_real_train" in own and "classification_real_test" not in own


def test_without_masks_nothing_is_said_of_the_background(run, shapes, capsys):
    run(train.main, "--name r --model cycle_gan --dataset_mode unaligned --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --metrics auto,classification --classifier small")
    assert "background_l1" not in scores(Path("results/r/test_latest"))["AtoB"]
    assert "nothing is known of its background" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call(f"--dataroot {shapes} --results results/r/test_latest --metrics background")
    one_line_error(capsys, "--metrics background", "STEM_real_A_mask_0.png")


def test_pictures_without_an_instance_are_no_failures(run, shapes):
    bare = Path("bare")
    shutil.copytree(shapes, bare)
    for path in (bare / "testA_seg").glob("00001_*"):
        path.unlink()
    run(train.main, "--name r --niter 1 --niter_decay 0")
    words = (
        "--name r --no_mask keep --direction AtoB --metrics auto,detection,masked_classification"
    )
    run(evaluate.main, f"{words} --classifier small", dataroot=bare)
    picture = json.loads(Path("results/r/test_latest/metrics_detail.json").read_text())["AtoB"][
        "pictures"
    ]["00001"]
    assert set(picture) == {"background_l1", "background_psnr", "background_ssim"}


# ---- Mask R-CNN


def test_mask_rcnn_takes_weights_like_those_of_coco(shapes, tmp_path, capsys):
    """The keys of torchvision's file: frozen norms, so no counts of batches."""
    torch.manual_seed(0)
    network = build_mask_rcnn()
    state = network.state_dict()
    assert not any("num_batches_tracked" in key for key in state) and len(state) == 307
    assert network.backbone.body.bn1.eps == 0
    torch.save(state, tmp_path / "w.pth")
    detector = MaskRCNN(str(tmp_path / "w.pth"), CPU)
    detector.network.transform.min_size, detector.network.transform.max_size = (64,), 64
    pairs = next(PairFolder(copy_as_results(shapes, tmp_path / "r")).load("A", 2))
    found = detector(pairs, "sheep")
    assert len(found) == 2 and found[0].masks.shape[1:] == (32, 32)
    raw = {
        "labels": torch.tensor([20, 25, 20]),
        "scores": torch.tensor([0.9, 0.9, 0.01]),
        "masks": torch.ones(3, 1, 4, 4),
    }
    chosen = detector.of_class(raw, category_id("sheep"))
    assert chosen.masks.shape == (1, 4, 4) and chosen.scores.tolist() == [pytest.approx(0.9)]
    assert {name: category_id(name) for name in ("sheep", "giraffe", "bottle", "cup")} == {
        "sheep": 20,
        "giraffe": 25,
        "bottle": 44,
        "cup": 47,
    }


def test_chosen_instances_alone_are_translated(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(test_command.main, "--name r --instances 1,2")
    names = {path.name for path in Path("results/r/test_latest/images").iterdir()}
    assert any(name.endswith("_fake_B_mask_1.png") for name in names)
    assert not any("_mask_0.png" in name for name in names)
    with pytest.raises(SystemExit):
        run(test_command.main, "--name r --instances 99")
    one_line_error(capsys, "--instances 99", "testA")


def test_several_folders_have_a_mean_and_a_spread(shapes, tmp_path, capsys):
    folders = [copy_as_results(shapes, tmp_path / str(i), foreign=bool(i)) for i in range(2)]
    call(f"--dataroot {shapes} --results {folders[0]} {folders[1]} --metrics background")
    said = capsys.readouterr().out
    assert "mean ± sd over folders" in said and "(n = 2)" in said


# ---- bad input


def test_mistakes_on_the_command_line(shapes, tmp_path, capsys):
    (tmp_path / "empty/images").mkdir(parents=True)
    same = copy_as_results(shapes, tmp_path / "same")
    results = f"--dataroot {shapes} --results {same}"
    for words, said in (
        (f"--dataroot {shapes}", ["--name", "--results"]),
        (f"{results} --name r", ["--name", "--results"]),
        ("--dataroot nowhere --results x", ["--dataroot nowhere"]),
        (f"{results} --metrics fud", ["--metrics fud", "did you mean fid?"]),
        (f"{results} --metrik fid", ["--metrik", "did you mean --metrics?"]),
        (f"{results} --weights gone.pth", ["--weights gone.pth"]),
        (f"{results} --batch 0", ["--batch 0"]),
        (f"{results} --weights coco", ["--weights coco", "imagenet or none"]),
        (f"{results} --classifier small --weights imagenet", ["--weights imagenet"]),
        (f"--dataroot {shapes} --name r --dry_run", ["--dry_run"]),
        (f"{results} --categories sheep", ["--categories sheep", "two names"]),
        (f"{results} --metrics detection --detector maskrcnn", ["--categories"]),
        (f"{results} --metrics detection --detector maskrcnn --categories shep,giraffe", ["--categories shep", "did you mean sheep?"]),
        (f"--dataroot {shapes} --results {tmp_path}", ["no folder images"]),
        (f"--dataroot {shapes} --results {tmp_path / 'empty'}", ["fake_B_img.png"]),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            call(words)
        assert stop.value.code == 2
        one_line_error(capsys, *said)


def test_files_that_are_missing_or_do_not_fit_are_named(shapes, tmp_path, capsys):
    folder = copy_as_results(shapes, tmp_path / "r")
    mask = folder / "images/00000_fake_B_mask_0.png"
    Image.new("L", (8, 8)).save(mask)
    words = f"--dataroot {shapes} --results {folder} --metrics mask"
    with pytest.raises(SystemExit):
        call(words)
    one_line_error(capsys, mask.name, "8x8", "32x32")
    mask.unlink()
    (folder / "images/00001_fake_B_img.png").unlink()
    with pytest.raises(SystemExit):
        call(words)
    one_line_error(capsys, "00001_fake_B_img.png is missing")
    (folder / "images/00000_real_A_img.png").unlink()
    with pytest.raises(SystemExit):
        call(words)
    one_line_error(capsys, "00000_real_A_img.png is missing")


def test_broken_lists_and_weights_are_one_line(run, shapes, tmp_path, capsys):
    folder = copy_as_results(shapes, tmp_path / "r")
    words = f"--dataroot {shapes} --results {folder}"
    for text in ("{}", "[]", "{", '{"pictures": [], "data": {}}'):
        (folder / "results.json").write_text(text)
        with pytest.raises(SystemExit):
            call(words)
        one_line_error(capsys, "results.json")
    (folder / "results.json").unlink()
    (tmp_path / "inception.pth").write_text("not weights")
    with pytest.raises(SystemExit):
        call(f"{words} --metrics fid --inception_weights {tmp_path}/inception.pth")
    one_line_error(capsys, "inception.pth")
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    for path in (root / "trainA_seg").iterdir():
        path.unlink()
    with pytest.raises(SystemExit):
        call(
            f"--dataroot {root} --results {folder} --metrics masked_classification --classifier small"
        )
    one_line_error(capsys, "trainA", "no pictures with masks")
    for text in ("[1]", '{"categories": 3}', "{"):
        (root / "dataset.json").write_text(text)
        with pytest.raises(SystemExit):
            call(f"--dataroot {root} --results {folder}")
        one_line_error(capsys, "dataset.json")


def test_what_cannot_be_scored_is_said_before_anything_is_translated(run, shapes, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    with pytest.raises(SystemExit):
        run(evaluate.main, "--name r --metrics detection --detector maskrcnn")
    one_line_error(capsys, "--categories")
    assert not Path("results").exists()


def test_few_pictures_are_a_warning_beside_the_number(run, shapes, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --metrics fid --classifier small")
    warning = f"warning: only 6 pictures in {shapes}/trainA"
    assert warning in capsys.readouterr().out
    folder = Path("results/r/test_latest")
    assert any(
        warning in note
        for note in json.loads((folder / "metrics_detail.json").read_text())["about"]["notes"]
    )
    assert "only 6 pictures" in (folder / "index.html").read_text()


def test_help_names_every_metric(capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate_options.build_parser().parse_args(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ("masked_classification", "--inception_weights", "vgg16", "--categories"):
        assert word in text
