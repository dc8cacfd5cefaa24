"""A direction of translation: A to B and B to A are two values of one type. Its calls on scenes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from data.scene import Scene
from models.image_pool import ImagePool
from models.sequential import Group, Stage, Translation, divided, translate_in_groups

# (a canvas with a group's masks, what a generator made of it, the same canvas with its other masks)
# -> the second pasted on the first
Pasted = Callable[[Scene, Scene, Sequence[Scene]], Scene]


@dataclass(frozen=True)
class Direction:
    """One way of translating; the other is the same type with the roles swapped.

    letter is the suffix of its generator, its discriminator and its losses. The trap of the
    official names: D_A, like G_A, belongs to the direction A -> B and so judges domain *B*.
    The last three fields are for training.
    """

    source: str
    target: str
    letter: str
    generator: nn.Module
    back_generator: nn.Module
    discriminator: nn.Module | None = None
    pool: ImagePool | None = None
    content_weight: float = 0.0


def generate(generator: nn.Module, *scenes: Scene | None) -> list[Scene | None]:
    """The generator on several scenes, in one call where their sizes agree; None stays None."""
    given = [scene for scene in scenes if scene is not None]
    if len({scene.image.shape[1:] for scene in given}) > 1:
        return [generate(generator, scene)[0] for scene in scenes]
    if not given:
        return [None for _ in scenes]
    joined = Scene.cat(given)
    image, masks = generator(joined.image, joined.masks, joined.present)
    sizes = [len(scene) for scene in given]
    images, sets = iter(image.split(sizes)), iter(masks.split(sizes))
    return [
        replace(scene, image=next(images), masks=next(sets)[:, : scene.masks.shape[1]])
        if scene is not None
        else None
        for scene in scenes
    ]


def judge(discriminator: nn.Module, scene: Scene, settled: int = 0) -> Tensor:
    """Patch scores [B, 1, h, w] of a scene whose first `settled` masks need no gradient."""
    return discriminator(scene.image, scene.masks, scene.present, settled)


def exchange(pool: ImagePool, fake: Scene) -> list[Scene]:
    """New fakes for those that the pool returns, joined by size of the picture."""
    new = [(one.image, one.masks, one.present) for one in fake.split()]  # plain: can be saved
    by_size: dict[torch.Size, list[Scene]] = {}
    for past in pool.query(new):
        by_size.setdefault(past[0].shape, []).append(Scene(*past).to(fake.image.device))
    return [Scene.cat(scenes) for scenes in by_size.values()] or [fake]


def translate_both(
    directions: Mapping[str, Direction],
    pasted: Pasted,
    canvases: Mapping[str, Scene],
    group: Group,
    with_identities: bool = True,
) -> dict[str, Translation]:
    """Both directions of one group, for training.

    Each generator runs once on its sources and on the other direction's sources, which give the
    identity samples, together, and once more on the other direction's fakes.
    """
    parts = {domain: divided(canvas, group) for domain, canvas in canvases.items()}
    sources = {domain: source for domain, (source, _) in parts.items()}
    fakes, identities = {}, {}
    for direction in directions.values():
        foreign = sources.get(direction.target) if with_identities else None
        fakes[direction.source], identities[direction.target] = generate(
            direction.generator, sources.get(direction.source), foreign
        )
    translations = {}
    for domain, (source, others) in parts.items():
        fake = pasted(source, fakes[domain], others)
        (back,) = generate(directions[domain].back_generator, fake)
        back = pasted(fake, back, others)
        translations[domain] = Translation(source, fake, back, identities[domain])
    return translations


def translate_alone(
    generator: nn.Module, pasted: Pasted, domain: str, scene: Scene, groups: Sequence[Group]
) -> list[Stage]:
    """Sequential inference (Eq. 8) of a domain: the scene itself, and after each group."""

    def translate(canvases: Mapping[str, Scene], group: Group) -> dict[str, Translation]:
        source, others = divided(canvases[domain], group)
        (fake,) = generate(generator, source)
        return {domain: Translation(source, pasted(source, fake, others))}

    steps = translate_in_groups(translate, {domain: scene}, groups)
    return [(Group(0, 0, {}), scene), *((step.group, step.canvases[domain]) for step in steps)]
