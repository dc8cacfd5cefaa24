"""FID and KID, by torchmetrics: how alike two sets of pictures are in some network's features."""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from metrics.base import Better, Declared, Metric, SetScore, by_size, to_batch
from metrics.classifier import KINDS, Classifier
from metrics.pair import Pair
from metrics.reals import RealPictures
from training.state_file import load_file
from util.errors import UserError

INCEPTION = "pt_inception-2015-12-05-6726825d.pth"  # torch-fidelity's, the weights of the FID paper
INCEPTION_NAME = "inception"  # in the names of scores
LARGEST_SUBSET = 100  # pictures of each of KID's subsets
SUBSETS = 100
BATCH = 32  # real pictures at once


class Features(nn.Module):
    """A network's features under a name: uint8 [B, 3, H, W] -> [B, num_features]."""

    def __init__(self, name: str, compute: Callable[[Tensor], Tensor]):
        super().__init__()
        self.name = name
        self.compute = compute
        self.num_features = compute(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).shape[1]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.compute(pictures).double()


def inception_file(given: str | None) -> Path | None:
    """The Inception weights: the file that was named, or the one in torch's cache, or None."""
    path = Path(given) if given else Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION
    if given and not path.is_file():
        raise UserError(f"--inception_weights {path}: there is no such file")
    return path if path.is_file() else None


def inception_features(path: Path, device: torch.device) -> Features:
    """The 2,048 features of the FID paper."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise needs("torch-fidelity", "--features inception") from None
    load_file(path)  # which says so if nothing can be read
    try:
        network = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
        )
    except (RuntimeError, KeyError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{path} does not hold torch-fidelity's Inception ({reason})") from None
    network.to(device).eval()
    return Features(INCEPTION_NAME, lambda pictures: network(pictures.to(device))[0])


def classifier_features(classifier: Classifier) -> Features:
    """The features of a fitted classifier, under its name: no number to compare with papers."""
    return Features(classifier.name, classifier.features)


def check_package() -> None:
    """Raise UserError if FID and KID cannot be computed here."""
    if not find_spec("torchmetrics"):
        raise needs("torchmetrics", "--metrics fid,kid")


def needs(package: str, what: str) -> UserError:
    return UserError(f"{what} needs {package}: pip install -r requirements-metrics.txt")


def distance_scores(kind: str) -> Declared:
    """What `fid`, or `kid`, gives: one score, named after the network whose features it uses."""
    return {f"{kind}_{network}": Better.LESS for network in (INCEPTION_NAME, *KINDS)}


class FeatureDistances(Metric):
    """`fid_NAME` and `kid_NAME` between the translations and real pictures of the target domain."""

    def __init__(
        self, kinds: Sequence[str], features: Features, reals: RealPictures, target: str, seed: int
    ):
        self.kinds = kinds
        self.features = features
        self.reals = reals
        self.target = target
        self.seed = seed
        self.fakes: list[Tensor] = []

    def pictures(self, pairs: Sequence[Pair]) -> list[dict]:
        for places in by_size(pairs):
            self.fakes.append(self.features(to_batch([pairs[i].translated for i in places])).cpu())
        return [{} for _ in pairs]

    def whole(self) -> dict[str, SetScore]:
        real, fake = features_of(self.features, self.reals, self.target), torch.cat(self.fakes)
        if min(len(real), len(fake)) < 2:
            raise UserError(
                f"--metrics {','.join(self.kinds)}: {len(fake)} translations and {len(real)} real "
                f"pictures in {self.reals.folder(self.target)}, at least 2 are needed of each"
            )
        protocol = (
            f"{len(fake)} translations against {len(real)} real pictures of "
            f"{self.reals.phase}{self.target}, {self.features.num_features} features of "
            f"{self.features.name}"
        )
        scores = {}
        if "fid" in self.kinds:
            value = frechet_distance(real, fake)
            scores[f"fid_{self.features.name}"] = SetScore(value, len(fake), protocol)
        if "kid" in self.kinds:
            value, spread = kernel_distance(real, fake, self.seed)
            scores[f"kid_{self.features.name}"] = SetScore(value, len(fake), protocol, spread)
        return scores


@cache
def features_of(features: Features, reals: RealPictures, domain: str) -> Tensor:
    """The features of a domain's real pictures, [N, D], computed once."""
    found, waiting = [], []
    for image, _ in reals.of(domain):
        if waiting and (len(waiting) == BATCH or image.shape != waiting[0].shape):
            found.append(features(to_batch(waiting)).cpu())
            waiting = []
        waiting.append(image)
    if waiting:
        found.append(features(to_batch(waiting)).cpu())
    return torch.cat(found) if found else torch.zeros(0, features.num_features)


class Identity(nn.Module):
    """Hands on features that were computed already."""

    def __init__(self, count: int):
        super().__init__()
        self.num_features = count

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """FID (Heusel et al. 2017) of two sets of features, [N, D] and [M, D]."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=Identity(real.shape[1])).set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return float(metric.compute())


def kernel_distance(real: Tensor, fake: Tensor, seed: int = 0) -> tuple[float, float]:
    """KID (Binkowski et al. 2018) of two sets of features: its mean and sd over random subsets."""
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(LARGEST_SUBSET, max(2, min(len(real), len(fake)) // 2))
    with warnings.catch_warnings():  # of the memory that features take, which is little here
        warnings.simplefilter("ignore", UserWarning)
        metric = KernelInceptionDistance(
            feature=Identity(real.shape[1]), subsets=SUBSETS, subset_size=size
        )
    metric.update(real, real=True)
    metric.update(fake, real=False)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        mean, spread = metric.compute()
    return float(mean), float(spread)
