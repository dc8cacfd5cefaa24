"""Features, classifiers and detectors: against independent computations, from weights files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import call, copy_as_results
from torch import nn
from torchvision.models import resnet18

from conftest import one_line_error
from metrics.classifier import Classifier, Normalize
from metrics.detectors import MaskRCNN, build_mask_rcnn, category_id
from metrics.features import Features, frechet_distance, inception_file, kernel_distance
from metrics.pairs import PairFolder
from metrics.perceptual import Perceptual
from training.pretrained import load_weights
from util.errors import UserError

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("short_trainings")


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
            f"--dataroot {many} --results {folder} --metrics classification --classifier_weights {tmp_path}/w.pth"
        )
    one_line_error(capsys, "w.pth", "VGG", "features.0.weight is missing there")
    bare = nn.Linear(2, 2)
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in bare.state_dict().items()}}, tmp_path / "l.pth"
    )
    other = nn.Linear(2, 2)
    load_weights(other, tmp_path / "l.pth", "--classifier_weights")
    assert torch.equal(bare.weight, other.weight)


def test_weights_that_cannot_be_fetched_are_one_line(many, tmp_path, capsys, monkeypatch):
    def unreachable(*_, **__):
        capsys.readouterr()  # what PyTorch tells of the file it fetches
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
