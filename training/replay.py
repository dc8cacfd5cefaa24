"""A broken update as a file, and from it again: to be looked at where and when one likes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from data.scene import Scene
from models.sequential import Group, Part
from training.guard import Moment
from training.state_file import write_state


def write_dump(path: Path, state: Mapping, moment: Moment, options: Mapping, where: str) -> None:
    """Write an update with all it is made of. Raises OSError."""
    dump = {
        "where": where,
        "options": dict(options),
        "model": state,
        "kind": moment.kind,
        "index": moment.index,
        "parts": [plain_part(part) for part in moment.parts],
        "scenes": [plain_scenes(scenes) for scenes in moment.scenes],
        "pools": {name: list(look) for name, look in moment.pools.items()},
        "random": moment.random,
        "losses": {name: float(value) for name, value in moment.losses.items()},
    }
    write_state(path, tree_map_only(Tensor, lambda tensor: tensor.detach().cpu(), dump))


def moment_of(dump: Mapping, device: torch.device) -> Moment:
    """The update that a dump holds, on the device."""
    dump = tree_map_only(Tensor, lambda tensor: tensor.to(device), dict(dump))
    return Moment(
        dump["kind"],
        dump["index"],
        [part_of(part) for part in dump["parts"]],
        [scenes_of(scenes) for scenes in dump["scenes"]],
        {name: (items, state.cpu()) for name, (items, state) in dump["pools"].items()},
        dump["random"].cpu(),
    )


def plain_scenes(scenes: Mapping[str, Scene]) -> dict[str, dict]:
    return {
        domain: {field.name: getattr(scene, field.name) for field in fields(scene)}
        for domain, scene in scenes.items()
    }


def scenes_of(plain: Mapping[str, Mapping]) -> dict[str, Scene]:
    return {domain: Scene(**scene) for domain, scene in plain.items()}


def plain_part(part: Part) -> dict:
    return {
        "scenes": plain_scenes(part.scenes),
        "groups": [
            {"start": g.start, "stop": g.stop, "active": {d: list(s) for d, s in g.active.items()}}
            for g in part.groups
        ],
        "taking_part": {domain: sorted(samples) for domain, samples in part.taking_part.items()},
        "divisor": part.divisor,
    }


def part_of(plain: Mapping) -> Part:
    return Part(
        scenes_of(plain["scenes"]),
        [Group(**group) for group in plain["groups"]],
        {domain: set(samples) for domain, samples in plain["taking_part"].items()},
        plain["divisor"],
    )


@contextmanager
def first_not_finite(networks: Mapping[str, nn.Module]) -> Iterator[list[str]]:
    """Within the block, notes the layers whose output is not finite though their input is."""
    found: list[str] = []

    def watch(name: str):
        def look(_, inputs, output) -> None:
            if finite(inputs) and not finite(output):
                found.append(name)

        return look

    hooks = [
        layer.register_forward_hook(watch(f"{network}.{name}"))
        for network, module in networks.items()
        for name, layer in module.named_modules()
        if not list(layer.children())
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def finite(values) -> bool:
    """Whether all numbers in nested tensors are finite."""
    good = []
    tree_map_only(Tensor, lambda tensor: good.append(bool(torch.isfinite(tensor).all())), values)
    return all(good)
