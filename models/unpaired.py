"""Two generators, each the other's way back: what CycleGAN and InstaGAN have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from data.direction import BOTH_WAYS, Direction
from data.scene import Scene
from models.base_model import BaseModel, Step, Translated
from models.building import discriminator_keywords, generator_keywords
from models.diffaug import augmented
from models.exporting import Exportable, count_masks, exportable_generator
from models.image_pool import ImagePool
from models.losses import adversarial_loss, set_l1_loss
from models.mask_facts import MaskFacts
from models.networks import build_discriminator, build_generator
from models.pasting import Pasting, pasting_of
from models.sequential import (
    Group,
    Translation,
    add_finished,
    advance,
    divided,
    generate,
    translate_alone,
    unfinished,
)
from models.unpaired_options import UnpairedOptions
from training.distributed import rank


@dataclass(frozen=True)
class Cycle:
    """One direction with all that it is trained by; the other has the roles swapped.

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
    weight: float = 0.0


class UnpairedModel(UnpairedOptions, BaseModel):
    """Translation of two domains into one another, learnt without pairs, both ways at once.

    A model says what of a scene it translates (`prepare`), in which groups (`cut`), by networks of
    how many mask channels (`mask_slots`), and may add to the losses (`content_losses`).
    """

    directions = BOTH_WAYS

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        self.mask_facts = MaskFacts()
        self.pasting = pasting_of(opt)
        slots, judged = self.mask_slots(opt)
        of_generators = generator_keywords(opt, slots)
        generators = {x: build_generator(**of_generators) for x in "AB"}
        runs = {x: self.add_network(f"G_{x}", g, translates=True) for x, g in generators.items()}
        judges: dict[str, nn.Module] = {}
        if self.is_train:
            of_discriminators = discriminator_keywords(opt, judged)
            discriminators = {x: build_discriminator(**of_discriminators) for x in "AB"}
            judges = {x: self.add_network(f"D_{x}", d) for x, d in discriminators.items()}
            for i, x in enumerate("AB"):
                self.pools[f"fake_{x}"] = ImagePool(opt.pool_size, opt.seed + 2 * rank() + i)
            betas = (opt.beta1, 0.999)
            self.add_optimizer("G", ["G_A", "G_B"], opt.lr, betas=betas)
            self.add_optimizer("D", ["D_A", "D_B"], opt.lr_D, betas=betas)
            self.average()
        self.cycles = {way.source: self.cycle(way, runs, judges) for way in self.directions}

    def cycle(
        self, way: Direction, runs: Mapping[str, nn.Module], judges: Mapping[str, nn.Module]
    ) -> Cycle:
        letter, back = (way.target, way.source) if self.opt.swap_networks else way
        cycle = Cycle(*way, letter, runs[letter], runs[back])
        if not self.is_train:
            return cycle
        weight = getattr(self.opt, f"lambda_{letter}")
        return replace(
            cycle,
            discriminator=judges[letter],
            pool=self.pools[f"fake_{way.target}"],
            weight=weight,
        )

    # ---- what makes a model of this family

    @staticmethod
    def mask_slots(opt) -> tuple[int, int]:
        """Mask channels of generators and of discriminators, where masks are channels (`basic`)."""
        return 0, 0

    def prepare(self, scene: Scene) -> Scene:
        """What is translated of a scene from the loader."""
        return scene

    @abstractmethod
    def cut(self, present: Mapping[str, Tensor]) -> list[Group]:
        """The groups of a batch, keyed by domain; see `cut_groups`."""

    def content_losses(self, cycle: Cycle, moved: Translation, slots: int) -> dict[str, Tensor]:
        """What a translation is asked to keep (Eq. 4 and 5), for each sample, weights included."""
        terms = {
            f"cyc_{cycle.letter}": cycle.weight
            * set_l1_loss(moved.reconstruction, moved.source, slots)
        }
        if moved.identity is not None:
            loss = set_l1_loss(moved.identity, moved.source, slots)
            back = self.cycles[cycle.target].letter
            terms[f"idt_{back}"] = cycle.weight * self.opt.lambda_idt * loss
        return terms

    # ---- training

    def train_step(self, scenes: Mapping[str, Scene]) -> None:
        """Section 2.3: for each group of instances one update of both generators, then one of both
        discriminators. The next group starts from the canvases that the generators made.
        """
        scenes = {domain: self.prepare(scene) for domain, scene in scenes.items()}
        present = {domain: scene.present for domain, scene in scenes.items()}
        groups = unfinished(self.cut(present), self.over_processes)
        scenes = canvases = self.on_device(scenes)
        for group in groups:
            canvases = self.update("G", self.generator_losses, canvases, group)
            self.update("D", self.discriminator_losses, scenes, canvases, group)
        self.mask_facts.add(scenes, canvases)

    def generator_losses(
        self, canvases: Mapping[str, Scene], group: Group
    ) -> tuple[dict[str, Tensor], dict[str, Scene]]:
        """The terms of Eq. 7, both directions, for each active sample; and the canvases after."""
        losses = {}
        moved = dict(canvases)
        for domain, translation in self.translate_both(canvases, group).items():
            losses |= self.direction_losses(self.cycles[domain], translation, group)
            moved[domain] = advance(canvases[domain], translation.sample, group.samples(domain))
        return losses, moved

    def translate_both(self, canvases: Mapping[str, Scene], group: Group) -> dict[str, Translation]:
        """Both directions of one group, active samples only, keyed by source domain.

        Each generator runs once on its sources and on the other direction's sources, which give the
        identity samples, together, and once more on the other direction's fakes.
        """
        drawn = {domain: canvases[domain].select(group.samples(domain)) for domain in group.active}
        parts = {domain: divided(canvas, group) for domain, canvas in drawn.items()}
        sources = {domain: source for domain, (source, _) in parts.items()}
        fakes, identities = {}, {}
        for cycle in self.cycles.values():
            foreign = sources.get(cycle.target) if self.opt.lambda_idt > 0 else None
            fakes[cycle.source], identities[cycle.target] = generate(
                cycle.generator, sources.get(cycle.source), foreign
            )
        translations = {}
        for domain, (source, others) in parts.items():
            fake = self.pasted(source, fakes[domain], others)
            (back,) = generate(self.cycles[domain].back_generator, fake)
            back = self.pasted(fake, back, others)
            sample = add_finished(drawn[domain], fake, group)
            translations[domain] = Translation(source, fake, sample, back, identities[domain])
        return translations

    def direction_losses(self, cycle: Cycle, moved: Translation, group: Group) -> dict[str, Tensor]:
        """The adversarial and content losses of one direction, for each of its active samples."""
        scores = self.judged(cycle, moved.sample, settled=group.start)
        adversarial = adversarial_loss(scores, True, self.opt.gan_mode)
        content = self.content_losses(cycle, moved, group.slots)
        return {f"G_{cycle.letter}": adversarial} | content

    def discriminator_losses(
        self, scenes: Mapping[str, Scene], canvases: Mapping[str, Scene], group: Group
    ) -> tuple[dict[str, Tensor], None]:
        """Eq. 3 of both discriminators; one whose direction is finished has none."""
        cycles = [self.cycles[domain] for domain in group.active]
        losses = {
            f"D_{cycle.letter}": self.discriminator_loss(
                cycle, scenes[cycle.target], canvases[cycle.source], group
            )
            for cycle in cycles
        }
        return losses, None

    def discriminator_loss(self, cycle: Cycle, real: Scene, canvas: Scene, group: Group) -> Tensor:
        """1/2 [(D(real) - 1)^2 + D(fake)^2], the sum over the active pairs.

        Reals carry their full set; one of which nothing is translated is not judged.
        """
        active = group.samples(cycle.source)
        pairs = [i for i in active if group.real[cycle.target][i]]
        fake = canvas.select(active).slots(0, group.stop)
        judged = [(real.select(pairs), True)]
        judged += [(past, False) for past in exchange(cycle.pool, fake)]
        losses = [
            adversarial_loss(self.judged(cycle, scene), real, self.opt.gan_mode).sum()
            for scene, real in judged
        ]
        return 0.5 * sum(losses)

    def judged(self, cycle: Cycle, scene: Scene, settled: int = 0) -> Tensor:
        """Patch scores [B, 1, h, w] of a scene whose first `settled` masks need no gradient."""
        if self.opt.diffaug:
            scene = augmented(scene, self.opt.diffaug)
        return cycle.discriminator(scene.image, scene.masks, scene.present, settled)

    def pasted(
        self, canvas: Scene, fake: Scene, others: Sequence[Scene], exactly: bool = False
    ) -> Scene:
        """The fake, with `--paste` pasted on its canvas; see `Pasting`."""
        if not self.pasting:
            return fake
        return (self.pasting.exactly if exactly else self.pasting)(canvas, fake, others)

    def get_current_facts(self) -> dict:
        facts = self.mask_facts.read(self.device)
        return {"masks": facts} if facts else {}

    # ---- inference

    @torch.no_grad()
    def translate(self, scene: Scene, source: str) -> Translated:
        """Translate a batch there, instance group after instance group, and back."""
        scene = self.prepare(scene)
        groups = unfinished(self.cut({source: scene.present}))
        scene = self.on_device({source: scene})[source]
        cycle = self.cycles[source]
        pasted = partial(self.pasted, exactly=True)
        moved = [
            Step(group.start, group.stop, canvas)
            for group, canvas in translate_alone(cycle.generator, pasted, source, scene, groups)
        ]
        fake = moved[-1].canvas if moved else scene
        *_, (_, back) = [
            (None, fake),
            *translate_alone(cycle.back_generator, pasted, source, fake, groups),
        ]
        if not self.is_train and self.opt.composite is not None:
            fake = Pasting(self.opt.composite).exactly(scene, fake)
        return Translated(scene, [fake], back, steps=moved)

    def exportable(self, source: str, masks: int | None) -> Exportable:
        """One call of the generator, with a group's masks."""
        network = self.networks[f"G_{self.cycles[source].letter}"]
        count = count_masks(network, self.opt, masks)
        return exportable_generator(network, self.opt.input_nc, count, self.pasting)


def exchange(pool: ImagePool, fake: Scene) -> list[Scene]:
    """New fakes for those that the pool returns, joined by size of the picture."""
    new = [(one.image, one.masks, one.present) for one in fake.split()]  # plain: can be saved
    by_size: dict[torch.Size, list[Scene]] = {}
    for past in pool.query(new):
        by_size.setdefault(past[0].shape, []).append(Scene(*past).to(fake.image.device))
    return [Scene.cat(scenes) for scenes in by_size.values()] or [fake]
