"""Checkpoint keys of the official code, to and from ours.

They differ in one thing, the spectral norm: the official wrapper names a convolution's tensors
`….module.weight_bar / weight_u / weight_v / bias`, torch's parametrization names them otherwise.
"""

import re

from torch import Tensor, nn

TO_OFFICIAL = {
    "parametrizations.weight.original": "module.weight_bar",
    "parametrizations.weight.0._u": "module.weight_u",
    "parametrizations.weight.0._v": "module.weight_v",
}
FROM_OFFICIAL = {official: ours for ours, official in TO_OFFICIAL.items()}
OLD_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def to_official(network: nn.Module) -> dict[str, Tensor]:
    """The network's state with the official keys, on the CPU."""
    state = network.state_dict()
    spectral = {k.split(".parametrizations.")[0] for k in state if ".parametrizations." in k}
    renamed = {}
    for key, value in state.items():
        layer, _, tail = key.partition(".parametrizations.")
        if tail:
            key = f"{layer}.{TO_OFFICIAL['parametrizations.' + tail]}"
        elif key.removesuffix(".bias") in spectral:
            key = f"{key.removesuffix('.bias')}.module.bias"
        renamed[key] = value.detach().cpu()
    return renamed


def from_official(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """An official state with our keys: what `network.load_state_dict` takes.

    Drops DataParallel's `module.` in front and the running statistics that InstanceNorm of old
    PyTorch versions saved and never used.
    """
    keeps_statistics = any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    renamed = {}
    for key, value in state.items():
        key = key.removeprefix("module.")
        if key.rpartition(".")[2] in OLD_STATISTICS and not keeps_statistics:
            continue
        if match := re.fullmatch(r"(.+)\.(module\.\w+)", key):
            layer, tail = match.groups()
            key = f"{layer}.{FROM_OFFICIAL.get(tail, tail.removeprefix('module.'))}"
        renamed[key] = value
    return renamed


def infer_generator(state: dict[str, Tensor]) -> dict:
    """Options of the generator that an official state belongs to: width, depth and kind.

    Raises KeyError if it is not a generator's.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    kind, first = ("set", "encoder_img") if "encoder_img.1.weight" in state else ("basic", "model")
    width, channels = state[f"{first}.1.weight"].shape[:2]
    blocks = {k.split(".")[1] for k in state if k.startswith(f"{first}.") and ".conv_block." in k}
    affine = f"{first}.2.weight" in state
    dropout = any(
        key.endswith(".conv_block.6.weight") and value.dim() == 4 for key, value in state.items()
    )
    options = {"netG": kind, "ngf": int(width), "n_blocks": len(blocks), "dropout": dropout}
    if kind == "set" or channels in (1, 3):  # else some are masks
        options |= {"input_nc": int(channels), "output_nc": int(channels)}
    return options | ({"norm": "batch"} if affine else {})
