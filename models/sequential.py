"""Sequential mini-batch translation (section 2.3, Eq. 8-10): a few instances after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.scene import Scene


@dataclass(frozen=True)
class Group:
    """The instances start ... stop - 1 of every sample.

    active maps each source domain to the samples that have an instance among them. The others take
    no part: their canvas stays, they have no loss.
    """

    start: int
    stop: int
    active: Mapping[str, Sequence[int]]

    @property
    def slots(self) -> int:
        """The number of masks that a loss counts, the same for every sample."""
        return self.stop - self.start


def plan_groups(present: Mapping[str, Tensor], ins_max: int, ins_per: int) -> list[Group]:
    """Groups of `ins_per` instances, cut from `ins_max`, as long as any sample has one.

    present maps each source domain to its scene's [B, N]. It should lie on the CPU: the plan
    decides how many steps are taken, and asking a GPU would make it wait.
    """
    groups = []
    for start in range(0, ins_max, ins_per):
        stop = min(start + ins_per, ins_max)
        active = {
            domain: [i for i, row in enumerate(rows[:, start:stop].tolist()) if any(row)]
            for domain, rows in present.items()
        }
        if any(active.values()):
            groups.append(Group(start, stop, active))
    return groups


@dataclass(frozen=True)
class Translation:
    """What one direction makes of its source; the last two are for training.

    source         (x_m, a_m): the canvas and the group's masks, active samples only
    fake           (y_m, b_m) = G(x_m, a_m)
    reconstruction the back generator on `fake`
    identity       the back generator on `source`
    """

    source: Scene
    fake: Scene
    reconstruction: Scene | None = None
    identity: Scene | None = None


@dataclass(frozen=True)
class Step:
    """One group's translations, keyed by the source domain of their direction.

    samples   (y_m, b_1:m): what the discriminator sees; earlier groups' masks carry no gradient
    canvases  the scenes with all masks up to this group translated
    """

    group: Group
    translations: dict[str, Translation]
    samples: dict[str, Scene]
    canvases: dict[str, Scene]


Translate = Callable[[Mapping[str, Scene]], Mapping[str, Translation]]


def translate_in_groups(
    translate: Translate, scenes: Mapping[str, Scene], groups: Sequence[Group]
) -> Iterator[Step]:
    """Translate `scenes`, keyed by domain, group after group.

    `translate` gets the sources of all active domains at once. The caller may update the networks
    between two steps: the canvases carry over and gradients do not.
    """
    canvases = dict(scenes)
    for group in groups:
        active = {domain: samples for domain, samples in group.active.items() if samples}
        drawn = {domain: canvases[domain].select(samples) for domain, samples in active.items()}
        translations = dict(
            translate({d: canvas.slots(group.start, group.stop) for d, canvas in drawn.items()})
        )
        samples = {d: add_finished(drawn[d], t.fake, group) for d, t in translations.items()}
        canvases |= {d: advance(canvases[d], samples[d], active[d]) for d in samples}
        yield Step(group, translations, samples, dict(canvases))


def add_finished(canvas: Scene, fake: Scene, group: Group) -> Scene:
    """(y_m, b_1:m): the fake with the masks that earlier groups made (Eq. 9)."""
    return replace(
        canvas.slots(0, group.stop),
        image=fake.image,
        masks=torch.cat([canvas.masks[:, : group.start], fake.masks], 1),
    )


def advance(canvas: Scene, sample: Scene, active: Sequence[int]) -> Scene:
    """The canvas with its active samples translated so far; the one place where gradients stop."""
    sample = sample.detach()
    done = sample.masks.shape[1]
    masks = torch.cat([sample.masks, canvas.select(active).masks[:, done:]], 1)
    if len(active) == len(canvas):
        return replace(canvas, image=sample.image, masks=masks)
    index = torch.tensor(list(active)).to(masks.device, non_blocking=True)
    return replace(
        canvas,
        image=canvas.image.index_copy(0, index, sample.image),
        masks=canvas.masks.index_copy(0, index, masks),
    )
