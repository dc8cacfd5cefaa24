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
            place = (group.start, group.stop)
            made = self.update("G", self.generator_losses, group.drawn(canvases), *place)
            canvases = group.advanced(canvases, made)
            self.update("D", self.discriminator_losses, self.shown(scenes, made, group))
        for domain, scene in scenes.items():
            if scene.masks.shape[1]:
                self.count(domain, mask_counts(scene, canvases[domain]))

    def generator_losses(
        self, canvases: Mapping[str, Scene], start: int, stop: int
    ) -> tuple[dict[str, Tensor], dict[str, Scene]]:
        """The terms of Eq. 7, both directions, for each sample; and what discriminators see.

        Of a group of instances start ... stop - 1 and the samples that have one; by source domain.
        """
        losses, made = {}, {}
        for domain, translation in self.translate_both(canvases, start, stop).items():
            losses |= self.direction_losses(self.cycles[domain], translation, start, stop)
            made[domain] = translation.sample
        return losses, made

    def translate_both(
        self, canvases: Mapping[str, Scene], start: int, stop: int
    ) -> dict[str, Translation]:
        """Both directions of one group, keyed by source domain.

        Each generator runs once on its sources and on the other direction's sources, which give the
        identity samples, together, and once more on the other direction's fakes.
        """
        parts = {domain: divided(canvas, start, stop) for domain, canvas in canvases.items()}
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
            sample = add_finished(canvases[domain], fake, start, stop)
            translations[domain] = Translation(source, fake, sample, back, identities[domain])
        return translations

    def direction_losses(
        self, cycle: Cycle, moved: Translation, start: int, stop: int
    ) -> dict[str, Tensor]:
        """The adversarial and content losses of one direction, for each of its samples."""
        scores = self.judged(cycle, moved.sample, settled=start)
        adversarial = adversarial_loss(scores, True, self.opt.gan_mode)
        content = self.content_losses(cycle, moved, stop - start)
        return {f"G_{cycle.letter}": adversarial} | content

    def shown(
        self, scenes: Mapping[str, Scene], made: Mapping[str, Scene], group: Group
    ) -> dict[str, tuple[Scene, list[Scene]]]:
        """What each discriminator is shown, reals and fakes, by source domain.

        Reals carry their full set; one of which nothing is translated is not shown. For fakes older
        ones may come out of the pool.
        """
        pairs = {}
        for domain, fake in made.items():
            cycle = self.cycles[domain]
            reals = [i for i in group.samples(domain) if group.real[cycle.target][i]]
            pairs[domain] = (scenes[cycle.target].select(reals), exchange(cycle.pool, fake))
        return pairs

    def discriminator_losses(
        self, shown: Mapping[str, tuple[Scene, list[Scene]]]
    ) -> tuple[dict[str, Tensor], None]:
        """Eq. 3 of both discriminators: 1/2 [(D(real) - 1)^2 + D(fake)^2], sums over samples.

        One whose direction is finished has none.
        """
        losses = {}
        for domain, (real, fakes) in shown.items():
            cycle = self.cycles[domain]
            terms = []
            for scene, is_real in [(real, True), *((fake, False) for fake in fakes)]:
                scores = self.judged(cycle, scene)
                terms.append(adversarial_loss(scores, is_real, self.opt.gan_mode).sum())
            losses[f"D_{cycle.letter}"] = 0.5 * sum(terms)
        return losses, None

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
