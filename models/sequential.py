"""Sequential mini-batch translation (section 2.3, Eq. 8-10): a few instances after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.scene import Scene
from training.distributed import sum_over_processes, world_size


@dataclass(frozen=True)
class Group:
    """The instances start ... stop - 1 of every sample.

    active maps each source domain to the samples that have an instance among them. The others take
    no part: their canvas stays, they have no loss. A domain that is not there is finished.
    """

    start: int
    stop: int
    active: Mapping[str, Sequence[int]]

    @property
    def slots(self) -> int:
        """The number of masks that a loss counts, the same for every sample."""
        return self.stop - self.start


Cut = Callable[[Mapping[str, Tensor]], list[Group]]


def cut_groups(present: Mapping[str, Tensor], ins_max: int, ins_per: int) -> list[Group]:
    """Groups of `ins_per` instances, cut from `ins_max`, whether any sample has one or not.

    present maps each source domain to its scene's [B, N]. It should lie on the CPU: the plan
    decides how many steps are taken, and asking a GPU would make it wait.
    """
    cuts = [(start, min(start + ins_per, ins_max)) for start in range(0, ins_max, ins_per)]
    return [
        Group(
            start,
            stop,
            {
                domain: [i for i, row in enumerate(rows[:, start:stop].tolist()) if any(row)]
                for domain, rows in present.items()
            },
        )
        for start, stop in cuts
    ]


def whole_pictures(present: Mapping[str, Tensor]) -> list[Group]:
    """A single group, in which every picture is active and no mask is translated: CycleGAN's."""
    return [Group(0, 0, {domain: range(len(rows)) for domain, rows in present.items()})]


def count_active(groups: Sequence[Group]) -> Tensor:
    """How many samples are active, [groups, domains]."""
    return torch.tensor([[len(samples) for samples in g.active.values()] for g in groups])


def without_finished(groups: Sequence[Group], counts: Tensor) -> list[Group]:
    """The groups and, within them, the domains in which `counts` has an active sample.

    Counted over several parts of a batch or several processes, this keeps domains without a sample
    in some: all take the same steps, a part without a sample with an empty batch.
    """
    kept = []
    for group, row in zip(groups, counts.tolist(), strict=True):
        active = {d: s for (d, s), count in zip(group.active.items(), row, strict=True) if count}
        if active:
            kept.append(replace(group, active=active))
    return kept


def unfinished(groups: Sequence[Group]) -> list[Group]:
    """The groups in which any sample is active."""
    return without_finished(groups, count_active(groups))


@dataclass(frozen=True)
class Part:
    """A part of the batch that is computed at once: all of it, without `--accumulate`.

    scenes      keyed by domain
    groups      those that any part in any process needs, the same number everywhere
    taking_part the samples of each domain that are active in any of them
    divisor     what a sum over samples is divided by for the mean over the whole batch
    """

    scenes: Mapping[str, Scene]
    groups: list[Group]
    taking_part: Mapping[str, set[int]]
    divisor: float


def divide_batch(
    scenes: Mapping[str, Scene],
    present: Mapping[str, Tensor],
    pieces: int,
    cut: Cut,
) -> list[Part]:
    """The batch in `pieces` parts, in order; some are empty if there are fewer samples.

    present is as in `cut_groups`, and `cut` makes groups of it. Several processes exchange here, on
    the CPU, which groups they need and how many samples they have: a process divides by the mean of
    their batch sizes, and the mean of the processes' gradients is that of one large batch.
    """
    size = len(next(iter(scenes.values())))
    places = [range(size * i // pieces, size * (i + 1) // pieces) for i in range(pieces)]
    groups = [cut({d: p[own.start : own.stop] for d, p in present.items()}) for own in places]
    counts = sum(count_active(plan) for plan in groups)
    facts = sum_over_processes(torch.cat([counts.flatten(), torch.tensor([size])]))
    return [
        Part(
            {domain: scene.select(own) for domain, scene in scenes.items()},
            without_finished(plan, facts[:-1].view_as(counts)),
            {d: {i for group in plan for i in group.active[d]} for d in scenes},
            facts[-1].item() / world_size(),
        )
        for own, plan in zip(places, groups, strict=True)
    ]


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


Stage = tuple[Group, Scene]  # of inference: a group, and the canvas when it is translated
Translate = Callable[[Mapping[str, Scene], Group], Mapping[str, Translation]]


def translate_group(translate: Translate, canvases: Mapping[str, Scene], group: Group) -> Step:
    """Translate one group of the instances of `canvases`, keyed by domain.

    `translate` gets the active samples of all unfinished domains at once, with all their masks, and
    the group.
    """
    drawn = {d: canvases[d].select(samples) for d, samples in group.active.items()}
    translations = dict(translate(drawn, group))
    samples = {d: add_finished(drawn[d], t.fake, group) for d, t in translations.items()}
    moved = {d: advance(canvases[d], samples[d], group.active[d]) for d in samples}
    return Step(group, translations, samples, dict(canvases) | moved)


def translate_in_groups(
    translate: Translate, scenes: Mapping[str, Scene], groups: Sequence[Group]
) -> Iterator[Step]:
    """Translate `scenes` group after group.

    The caller may update the networks between two steps: the canvases carry over and gradients do
    not.
    """
    canvases = scenes
    for group in groups:
        step = translate_group(translate, canvases, group)
        canvases = step.canvases
        yield step


def divided(canvas: Scene, group: Group) -> tuple[Scene, tuple[Scene, Scene]]:
    """The canvas with the group's masks (x_m, a_m), and with those before and after them."""
    before, after = canvas.slots(0, group.start), canvas.slots(group.stop, None)
    return canvas.slots(group.start, group.stop), (before, after)


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
    index = torch.tensor(list(active), dtype=torch.long).to(masks.device, non_blocking=True)
    return replace(
        canvas,
        image=canvas.image.index_copy(0, index, sample.image),
        masks=canvas.masks.index_copy(0, index, masks),
    )
