"""Sequential mini-batch translation (section 2.3, Eq. 8-10): a few instances after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from data.scene import Scene, index_on
from models.contract import Step

# (a canvas with a group's masks, what a generator made of it, the same canvas with its other masks)
# -> the second pasted on the first
Pasted = Callable[[Scene, Scene, Sequence[Scene]], Scene]


@dataclass(frozen=True)
class Group:
    """The instances start ... stop - 1 of every sample.

    active  by source domain, bool [B] on the CPU: which samples have an instance among them. The
            others take no part: their canvas stays, they have no loss. A domain that is not there
            is finished.
    real    by domain, bool [B]: which samples are shown to a discriminator as real, those of which
            any instance is translated
    """

    start: int
    stop: int
    active: Mapping[str, Tensor]
    real: Mapping[str, Tensor]

    def samples(self, domain: str) -> list[int]:
        """The active samples of a domain."""
        return self.active[domain].nonzero().flatten().tolist()

    def drawn(self, canvases: Mapping[str, Scene]) -> dict[str, Scene]:
        """The active samples of the domains that are not finished."""
        return {domain: canvases[domain].select(self.samples(domain)) for domain in self.active}

    def advanced(
        self, canvases: Mapping[str, Scene], made: Mapping[str, Scene]
    ) -> dict[str, Scene]:
        """The canvases with their active samples translated so far."""
        own = {d: advance(canvases[d], sample, self.samples(d)) for d, sample in made.items()}
        return dict(canvases) | own


Cut = Callable[[Mapping[str, Tensor]], list[Group]]


def cut_groups(present: Mapping[str, Tensor], ins_max: int, ins_per: int) -> list[Group]:
    """Groups of `ins_per` instances, cut from `ins_max`, whether any sample has one or not.

    present maps each source domain to its scene's [B, N]. It should lie on the CPU: the plan
    decides how many updates are made, and asking a GPU would make it wait.
    """
    real = {domain: rows[:, :ins_max].any(1) for domain, rows in present.items()}
    cuts = [(start, min(start + ins_per, ins_max)) for start in range(0, ins_max, ins_per)]
    return [
        Group(start, stop, {d: rows[:, start:stop].any(1) for d, rows in present.items()}, real)
        for start, stop in cuts
    ]


def whole_pictures(present: Mapping[str, Tensor]) -> list[Group]:
    """A single group, in which every picture is active and no mask is translated: CycleGAN's."""
    all_of = {d: torch.ones(len(rows), dtype=torch.bool) for d, rows in present.items()}
    return [Group(0, 0, all_of, all_of)]


def unfinished(
    groups: Sequence[Group], over_processes: Callable[[Tensor], Tensor] = lambda counts: counts
) -> list[Group]:
    """The groups and, within them, the domains in which any sample is active.

    over_processes adds up the counts of several processes: all of them take the same steps, one
    without a sample with an empty batch.
    """
    counts = over_processes(torch.tensor([[x.sum() for x in g.active.values()] for g in groups]))
    kept = []
    for group, row in zip(groups, counts.tolist(), strict=True):
        active = {d: x for (d, x), count in zip(group.active.items(), row, strict=True) if count}
        if active:
            kept.append(replace(group, active=active))
    return kept


@dataclass(frozen=True)
class Translation:
    """What one direction makes of its source; the last two are for training.

    source         (x_m, a_m): the canvas and the group's masks, active samples only
    fake           (y_m, b_m) = G(x_m, a_m)
    sample         (y_m, b_1:m): what the discriminator sees
    reconstruction the back generator on `fake`
    identity       the back generator on `source`
    """

    source: Scene
    fake: Scene
    sample: Scene
    reconstruction: Scene | None = None
    identity: Scene | None = None


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


def translate_alone(
    generator: nn.Module, pasted: Pasted, domain: str, scene: Scene, groups: Sequence[Group]
) -> Iterator[Step]:
    """Sequential inference (Eq. 8) of one domain, group after group."""
    for group in groups:
        drawn = scene.select(group.samples(domain))
        source, others = divided(drawn, group.start, group.stop)
        (fake,) = generate(generator, source)
        fake = pasted(source, fake, others)
        sample = add_finished(drawn, fake, group.start, group.stop)
        scene = advance(scene, sample, group.samples(domain))
        yield Step(group.start, group.stop, scene)


def divided(canvas: Scene, start: int, stop: int) -> tuple[Scene, tuple[Scene, Scene]]:
    """The canvas with a group's masks (x_m, a_m), and with those before and after them."""
    before, after = canvas.slots(0, start), canvas.slots(stop, None)
    return canvas.slots(start, stop), (before, after)


def add_finished(canvas: Scene, fake: Scene, start: int, stop: int) -> Scene:
    """(y_m, b_1:m): the fake with the masks that earlier groups made (Eq. 9)."""
    return replace(
        canvas.slots(0, stop),
        image=fake.image,
        masks=torch.cat([canvas.masks[:, :start], fake.masks], 1),
    )


def advance(canvas: Scene, sample: Scene, active: Sequence[int]) -> Scene:
    """The canvas with its active samples translated so far."""
    done = sample.masks.shape[1]
    masks = torch.cat([sample.masks, canvas.select(active).masks[:, done:]], 1)
    if len(active) == len(canvas):
        return replace(canvas, image=sample.image, masks=masks)
    index = index_on(masks.device, tuple(active))
    return replace(
        canvas,
        image=canvas.image.index_copy(0, index, sample.image),
        masks=canvas.masks.index_copy(0, index, masks),
    )
