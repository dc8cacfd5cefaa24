"""How CycleGAN and InstaGAN are trained and translate."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from data.scene import Scene
from models.contract import Translated
from models.cycles import Cycle, CycleModel
from models.diffaug import augmented
from models.image_pool import ImagePool
from models.losses import adversarial_loss, mask_counts, set_l1_loss
from models.pasting import Pasting
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


class UnpairedModel(CycleModel):
    """Translation of two domains into one another, learnt without pairs, both ways at once.

    A model says what of a scene it translates (`prepare`), in which groups (`cut`), by networks of
    how many mask channels (`mask_slots`), and may add to the losses (`content_losses`).
    """

    # ---- what makes a model of this family

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
        for domain, scene in scenes.items():
            if scene.masks.shape[1]:
                self.count(domain, mask_counts(scene, canvases[domain]))

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
        losses = {}
        for domain in group.active:
            cycle = self.cycles[domain]
            fakes = (scenes[cycle.target], canvases[domain])
            losses[f"D_{cycle.letter}"] = self.discriminator_loss(cycle, *fakes, group)
        return losses, None

    def discriminator_loss(self, cycle: Cycle, real: Scene, canvas: Scene, group: Group) -> Tensor:
        """1/2 [(D(real) - 1)^2 + D(fake)^2], the sum over the active pairs.

        Reals carry their full set; one of which nothing is translated is not judged.
        """
        active = group.samples(cycle.source)
        pairs = [i for i in active if group.real[cycle.target][i]]
        fake = canvas.select(active).slots(0, group.stop)
        loss = self.adversarial(cycle, real.select(pairs), True)
        for past in exchange(cycle.pool, fake):
            loss = loss + self.adversarial(cycle, past, False)
        return 0.5 * loss

    def adversarial(self, cycle: Cycle, scene: Scene, real: bool) -> Tensor:
        """The sum over samples of what the discriminator loses if it takes them for the other."""
        return adversarial_loss(self.judged(cycle, scene), real, self.opt.gan_mode).sum()

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

    # ---- inference

    @torch.no_grad()
    def translate(self, scene: Scene, source: str) -> Translated:
        """Translate a batch there, instance group after instance group, and back."""
        scene = self.prepare(scene)
        groups = unfinished(self.cut({source: scene.present}))
        scene = self.on_device({source: scene})[source]
        cycle = self.cycles[source]
        pasted = partial(self.pasted, exactly=True)
        steps = list(translate_alone(cycle.generator, pasted, source, scene, groups))
        fake = steps[-1].canvas if steps else scene
        there_and_back = list(translate_alone(cycle.back_generator, pasted, source, fake, groups))
        back = there_and_back[-1].canvas if steps else fake
        if not self.is_train and self.opt.composite is not None:
            fake = Pasting(self.opt.composite).exactly(scene, fake)
        return Translated(scene, [fake], back, steps=steps)


def exchange(pool: ImagePool, fake: Scene) -> list[Scene]:
    """New fakes for those that the pool returns, joined by size of the picture."""
    new = [(one.image, one.masks, one.present) for one in fake.split()]  # plain: can be saved
    by_size: dict[torch.Size, list[Scene]] = {}
    for past in pool.query(new):
        by_size.setdefault(past[0].shape, []).append(Scene(*past).to(fake.image.device))
    return [Scene.cat(scenes) for scenes in by_size.values()] or [fake]
