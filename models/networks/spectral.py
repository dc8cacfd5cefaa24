"""Spectral norm (Miyato et al., ICLR 2018): weights divided by their largest singular value.

A weight [O, ...] is a matrix W [O, n] here. Its layer keeps a vector u [O] and a vector v [n]. An
iteration, u = W v / |W v| and then v = W' u / |W' u|, brings them nearer to the singular vectors;
the singular value is sigma = u' W v. Names in checkpoints and all numbers are those of PyTorch's
parametrization. That takes an iteration whenever a weight is looked at, in a dozen small operations
a layer; `normed_weights` takes one for each call of a network, of all its layers together.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.linalg import vector_norm
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import ParametrizationList, register_parametrization

from models.networks.layers import without_autocast

EPS = 1e-12
FIRST_ITERATIONS = 15


class SpectralNorm(nn.Module):
    """Parametrization of one weight; one iteration per call in training, none in evaluation."""

    def __init__(self, weight: Tensor):
        super().__init__()
        matrix = weight.detach().flatten(1)
        for name, length in zip(("_u", "_v"), matrix.shape, strict=True):
            vector = matrix.new_empty(length).normal_()
            self.register_buffer(name, normalize(vector, dim=0, eps=EPS))
        for _ in range(FIRST_ITERATIONS):
            self.iterate(matrix)
        self.ready: Tensor | None = None  # the result, in a block of `normed_weights`

    def forward(self, weight: Tensor) -> Tensor:
        if self.ready is not None:
            return self.ready
        matrix = weight.flatten(1)
        if self.training:
            self.iterate(matrix)
        u, v = self._u.clone(), self._v.clone()  # the backward pass needs them as they are now
        return weight / torch.vdot(u, torch.mv(matrix, v))

    @torch.no_grad()
    def iterate(self, matrix: Tensor) -> None:
        """Bring u and v nearer, in place, so that replicas on other GPUs share the first one's."""
        self._u.copy_(normalize(torch.mv(matrix, self._v), dim=0, eps=EPS))
        self._v.copy_(normalize(torch.mv(matrix.T, self._u), dim=0, eps=EPS))


def spectral_norm(layer: nn.Module) -> nn.Module:
    """The layer, a `Conv2d`; its `weight` is divided by its largest singular value from now on."""
    return register_parametrization(layer, "weight", SpectralNorm(layer.weight))


def normed_weights(network: nn.Module) -> AbstractContextManager[None]:
    """A block for one call of a network: one iteration, and every weight is computed once.

    Blocks of one network must not be nested. A compiled or exported network, whose operations are
    joined anyway, goes layer by layer.
    """
    return nullcontext() if torch.compiler.is_compiling() else weights_ready(network)


@contextmanager
def weights_ready(network: nn.Module) -> Iterator[None]:
    """See `normed_weights`. The layers keep their weights themselves: replicas have other ones."""
    found = [
        (norm, own.original)
        for own in network.modules()
        if isinstance(own, ParametrizationList) and isinstance(norm := own[0], SpectralNorm)
    ]
    iterating = [pair for pair in found if pair[0].training]
    try:
        with without_autocast(found[0][1].device) if found else nullcontext():
            for (norm, _), weight in zip(iterating, normed(iterating), strict=True):
                norm.ready = weight
            for norm, weight in found:
                if not norm.training:
                    norm.ready = norm(weight)
        yield
    finally:
        for norm, _ in found:
            norm.ready = None


def normed(pairs: Sequence[tuple[SpectralNorm, Tensor]]) -> Sequence[Tensor]:
    """Weights by their singular values after one iteration, whose vectors the layers keep.

    sigma = |W' u|, as v = W' u / |W' u|: W is read twice, not three times. Vectors of L layers are
    rows of one tensor, with zeros behind the shorter ones: [L, longest].
    """
    if not pairs:
        return []
    norms, weights = zip(*pairs, strict=True)
    with torch.no_grad():
        matrices = [weight.flatten(1) for weight in weights]
        u, own_u = products(matrices, [norm._v for norm in norms])
        u /= vector_norm(u, dim=1, keepdim=True).clamp_min(EPS)
        v, own_v = products([matrix.T for matrix in matrices], own_u)
        sigma = vector_norm(v, dim=1)
        v /= sigma.clamp_min(EPS)[:, None]
        kept = [norm._u for norm in norms] + [norm._v for norm in norms]
        torch._foreach_copy_(kept, own_u + own_v)
    if torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
        return Divided.apply(u, v, sigma, *weights)
    return divided(weights, sigma)


def products(
    matrices: Sequence[Tensor], vectors: Sequence[Tensor]
) -> tuple[Tensor, Sequence[Tensor]]:
    """Each matrix times its vector: as rows, and as views of these without the zeros."""
    lengths = [*map(len, matrices)]
    rows = matrices[0].new_zeros(len(matrices), max(lengths))
    own = beginnings(rows, lengths)
    for result, matrix, vector in zip(own, matrices, vectors, strict=True):
        torch.mv(matrix, vector, out=result)
    return rows, own


def beginnings(rows: Tensor, lengths: Sequence[int]) -> Sequence[Tensor]:
    """The rows without the zeros behind them: views of their beginnings, so long."""
    parts: list[int] = []
    for length in lengths:
        parts += length, rows.shape[1] - length
    return rows.view(-1).split(parts)[::2]


def divided(weights: Sequence[Tensor], sigma: Tensor) -> tuple[Tensor, ...]:
    return tuple(map(torch.div, weights, sigma.unbind()))


class Divided(torch.autograd.Function):
    """W / sigma of L weights; u and v count as constants, sigma = u' W v does not.

    With the gradient G for W / sigma, that for W is (G - <G, W> / sigma u v') / sigma.
    """

    @staticmethod
    def forward(ctx, u: Tensor, v: Tensor, sigma: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(u, v, sigma, *weights)
        ctx.set_materialize_grads(False)
        return divided(weights, sigma)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        u, v, sigma, *weights = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        gradients = [g if wanted else None for g, wanted in zip(gradients, needed, strict=True)]
        inner = torch.zeros_like(sigma)  # <G, W>
        for product, pair in zip(inner.unbind(), zip(gradients, weights, strict=True), strict=True):
            if pair[0] is not None:
                torch.dot(*in_memory_order(*pair), out=product)
        u = beginnings(u * (inner / sigma.square())[:, None], [len(weight) for weight in weights])
        v = beginnings(v, [weight.shape[1:].numel() for weight in weights])
        parts = zip(gradients, sigma.unbind(), u, v, strict=True)
        results = [None if g is None else without(g / s, *uv) for g, s, *uv in parts]
        return None, None, None, *results


def without(gradient: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The gradient [O, ...] less u v', in place."""
    size = gradient.shape[1:]
    return gradient.addcmul_(u.view(-1, *(1 for _ in size)), v.view(size), value=-1)


def in_memory_order(*weights: Tensor) -> list[Tensor]:
    """Weights [O, C, h, w] as vectors; no copies are made of them with channels innermost."""
    if all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights):
        weights = [weight.permute(0, 2, 3, 1) for weight in weights]
    return [weight.flatten() for weight in weights]
