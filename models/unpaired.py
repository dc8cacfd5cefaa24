"""Two generators, each the other's way back: what CycleGAN and InstaGAN have in common."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from data.scene import Scene
from models.base_model import BaseModel
from models.building import discriminator_keywords, generator_keywords
from models.diffaug import augmented
from models.direction import Direction, exchange, judge, translate_alone, translate_both
from models.image_pool import ImagePool
from models.losses import adversarial_loss, mean_by_name, set_l1_loss
from models.mask_facts import MaskFacts
from models.networks import build_discriminator, build_generator
from models.pasting import Pasting, add_pasting_arguments, pasting_of, pasting_problems
from models.sequential import (
    Group,
    Part,
    Step,
    Translation,
    divide_batch,
    translate_group,
    unfinished,
)
from training.distributed import rank
from training.guard import Moment


class UnpairedModel(BaseModel):
    """Translation of two domains into one another, learnt without pairs, both ways at once.

    A model says what of a scene it translates (`prepare`), in which groups (`cut`), by networks of
    how many mask channels (`mask_slots`), and may add to the losses (`content_losses`).
    """

    loss_names = tuple(f"{kind}_{x}" for x in "AB" for kind in ("D", "G", "cyc", "idt"))
    visual_names = tuple(
        f"{role}_{domain}_{kind}"
        for source, target in ("AB", "BA")
        for kind in ("img", "seg")
        for role, domain in (("real", source), ("fake", target), ("rec", source))
    )

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        add_pasting_arguments(parser, is_train)
        if not is_train:
            return parser
        group = parser.group("losses")
        for domain in "AB":
            group.add_argument(
                f"--lambda_{domain}",
                type=float,
                default=10.0,
                help=f"weight of the cycle loss (Eq. 4) of samples of {domain}",
            )
        group.add_argument(
            "--lambda_idt",
            "--lambda_identity",
            type=float,
            default=1.0,
            help="weight of the identity loss (Eq. 5), a factor on lambda_A and lambda_B",
        )
        return parser

    @staticmethod
    def option_problems(opt) -> Iterator[str]:
        yield from pasting_problems(opt)

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        self.real: dict[str, Scene] = {}
        self.reconstruction: dict[str, Scene] = {}
        self.present: dict[str, Tensor] = {}  # on the CPU
        self.mask_facts = MaskFacts()
        self.pasting = pasting_of(opt)
        slots, judged = self.mask_slots(opt)
        keywords = generator_keywords(opt, slots)
        self.networks = {f"G_{x}": build_generator(**keywords) for x in "AB"}
        if self.is_train:
            keywords = discriminator_keywords(opt, judged)
            self.networks |= {f"D_{x}": build_discriminator(**keywords) for x in "AB"}
        self.executions = {
            name: self.runnable(network, compiled=name.startswith("G"))
            for name, network in self.networks.items()
        }
        if self.is_train:
            self.pools = {
                f"fake_{x}": ImagePool(opt.pool_size, opt.seed + 2 * rank() + i)
                for i, x in enumerate("AB")
            }
            self.add_optimizer("G", opt.lr)
            self.add_optimizer("D", opt.lr_D, apart=True)
            self.average("G_A", "G_B")
        self.directions = {
            source: self._direction(source, target, target if opt.swap_networks else source)
            for source, target in ("AB", "BA")
        }

    def _direction(self, source: str, target: str, letter: str) -> Direction:
        back = "B" if letter == "A" else "A"
        training = {}
        if self.is_train:
            training = {
                "discriminator": self.executions[f"D_{letter}"],
                "pool": self.pools[f"fake_{target}"],
                "content_weight": getattr(self.opt, f"lambda_{letter}"),
            }
        generators = (self.executions[f"G_{letter}"], self.executions[f"G_{back}"])
        return Direction(source, target, letter, *generators, **training)

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

    def content_losses(
        self, direction: Direction, moved: Translation, slots: int
    ) -> dict[str, Tensor]:
        """What a translation is asked to keep (Eq. 4 and 5), for each sample, weights included."""
        weight = direction.content_weight
        back = self.directions[direction.target].letter
        terms = {
            f"cyc_{direction.letter}": weight
            * set_l1_loss(moved.reconstruction, moved.source, slots)
        }
        if moved.identity is not None:
            loss = set_l1_loss(moved.identity, moved.source, slots)
            terms[f"idt_{back}"] = weight * self.opt.lambda_idt * loss
        return terms

    def pasted(
        self, canvas: Scene, fake: Scene, others: Sequence[Scene], exactly: bool = False
    ) -> Scene:
        """The fake, with `--paste` pasted on its canvas; see `Pasting`."""
        if not self.pasting:
            return fake
        return (self.pasting.exactly if exactly else self.pasting)(canvas, fake, others)

    def set_input(self, scenes: Mapping[str, Scene]) -> None:
        """Take a batch: one scene per domain to be translated, still on the CPU."""
        scenes = {domain: self.prepare(scene) for domain, scene in scenes.items()}
        self.present = {domain: scene.present for domain, scene in scenes.items()}
        self.real = {domain: scene.to(self.device).normalized() for domain, scene in scenes.items()}

    # ---- training

    def optimize_parameters(self) -> None:
        self.losses = mean_by_name(list(self.train_groups()))

    def train_groups(self) -> Iterator[dict[str, Tensor]]:
        """One step of both optimisers per group (section 2.3); yields each group's losses.

        The parts of the batch take turns within each update, so that the activations of one of them
        are held at a time.
        """
        parts = divide_batch(self.real, self.present, self.opt.accumulate, self.cut)
        canvases = [part.scenes for part in parts]
        for index in range(len(parts[0].groups)):
            losses, steps = self.update_generators(parts, canvases, index)
            self.observe(losses)
            yield losses | self.update_discriminators(parts, steps, index)
            canvases = [step.canvases for step in steps]
        for part, canvas in zip(parts, canvases, strict=True):
            self.mask_facts.add(part.scenes, canvas)

    def update_generators(
        self, parts: Sequence[Part], canvases: Sequence[Mapping[str, Scene]], index: int
    ) -> tuple[dict[str, Tensor], list[Step]]:
        """One update by group `index` of each part, which starts from its canvas."""
        steps: list[Step] = []
        translate = partial(
            translate_both, self.directions, self.pasted, with_identities=self.opt.lambda_idt > 0
        )

        def losses() -> Iterator[dict[str, Tensor]]:
            for part, canvas in zip(parts, canvases, strict=True):
                steps.append(translate_group(translate, canvas, part.groups[index]))
                yield self.generator_losses(part, steps[-1])

        with self.frozen("D_A", "D_B"):
            return self.minimize("G", losses(), Moment("G", index, parts, canvases)), steps

    def update_discriminators(
        self, parts: Sequence[Part], steps: Sequence[Step], index: int
    ) -> dict[str, Tensor]:
        """One update by the translations that the generators have made of group `index`."""
        samples = [{d: one.detach() for d, one in step.samples.items()} for step in steps]
        pools = {name: pool.look() for name, pool in self.pools.items()}
        turns = zip(parts, steps, strict=True)
        losses = (self.discriminator_losses(*turn) for turn in turns)
        return self.minimize("D", losses, Moment("D", index, parts, samples, pools))

    def repeat(self, moment: Moment) -> dict[str, Tensor]:
        """Make an update again, by the networks as they are; returns its losses."""
        for name, look in moment.pools.items():
            self.pools[name].restore(look)
        if moment.kind == "G":
            return self.update_generators(moment.parts, moment.scenes, moment.index)[0]
        steps = [
            Step(part.groups[moment.index], {}, dict(samples), {})
            for part, samples in zip(moment.parts, moment.scenes, strict=True)
        ]
        return self.update_discriminators(moment.parts, steps, moment.index)

    def generator_losses(self, part: Part, step: Step) -> dict[str, Tensor]:
        """The terms of Eq. 7, both directions, weights included."""
        terms = {}
        for domain in step.translations:
            terms |= self.direction_losses(self.directions[domain], step)
        return {name: term.sum() / part.divisor for name, term in terms.items()}

    def direction_losses(self, direction: Direction, step: Step) -> dict[str, Tensor]:
        """The adversarial and content losses of one direction, for each of its active samples."""
        sample = step.samples[direction.source]
        scores = self.judged(direction, sample, settled=step.group.start)
        content = self.content_losses(
            direction, step.translations[direction.source], step.group.slots
        )
        adversarial = adversarial_loss(scores, True, self.opt.gan_mode)
        return {f"G_{direction.letter}": adversarial} | content

    def discriminator_losses(self, part: Part, step: Step) -> dict[str, Tensor]:
        """Eq. 3 of both discriminators; one whose direction is finished has none."""
        directions = [self.directions[domain] for domain in step.samples]
        return {
            f"D_{direction.letter}": self.discriminator_loss(direction, part, step) / part.divisor
            for direction in directions
        }

    def discriminator_loss(self, direction: Direction, part: Part, step: Step) -> Tensor:
        """1/2 [(D(real) - 1)^2 + D(fake)^2], the sum over the active pairs.

        Reals carry their full set; one of which nothing is translated is not judged.
        """
        active = step.group.active[direction.source]
        pairs = [i for i in active if i in part.taking_part[direction.target]]
        judged = [(part.scenes[direction.target].select(pairs), True)]
        fake = step.samples[direction.source].detach()
        judged += [(past, False) for past in exchange(direction.pool, fake)]
        losses = [
            adversarial_loss(self.judged(direction, scene), real, self.opt.gan_mode).sum()
            for scene, real in judged
        ]
        return 0.5 * sum(losses)

    def judged(self, direction: Direction, scene: Scene, settled: int = 0) -> Tensor:
        """The discriminator's scores of what it sees of a scene; see `judge`."""
        return judge(direction.discriminator, augmented(scene, self.opt.diffaug), settled)

    def get_current_facts(self) -> dict:
        facts = self.mask_facts.read(self.device)
        return {"masks": facts} if facts else {}

    # ---- inference

    @torch.no_grad()
    def test(self) -> None:
        """Translate the batch there and back, every direction that has an input."""
        for domain, scene in self.real.items():
            direction = self.directions[domain]
            groups = unfinished(self.cut({domain: self.present[domain]}))
            pasted = partial(self.pasted, exactly=True)
            stages = translate_alone(direction.generator, pasted, domain, scene, groups)
            fake = stages[-1][1]
            back = translate_alone(direction.back_generator, pasted, domain, fake, groups)
            self.stages[direction.target] = stages
            self.reconstruction[domain] = back[-1][1]
            if not self.is_train and self.opt.composite is not None:
                fake = Pasting(self.opt.composite).exactly(scene, fake)
            self.fake[direction.target] = fake

    def get_current_scenes(self) -> dict[str, Scene]:
        with self.undisturbed():
            self.test()
        scenes = {}
        for domain in self.real:
            target = self.directions[domain].target
            scenes |= {
                f"real_{domain}": self.real[domain],
                f"fake_{target}": self.fake[target],
                f"rec_{domain}": self.reconstruction[domain],
            }
        return scenes
