"""InstaGAN: instance-aware image-to-image translation (Mo, Cho and Shin, ICLR 2019)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from data.scene import Scene
from models.base_model import BaseModel
from models.direction import Direction
from models.losses import adversarial_loss, context_loss, set_l1_loss
from models.networks import build_discriminator, build_generator
from models.sequential import Group, Step, Translation, plan_groups, translate_in_groups
from util.image_pool import ImagePool


class InstaGANModel(BaseModel):
    """Set-equivariant translation of images with their instance masks, both ways at once."""

    needs_masks = True
    loss_names = tuple(f"{kind}_{x}" for x in "AB" for kind in ("D", "G", "cyc", "idt", "ctx"))
    visual_names = tuple(
        f"{role}_{domain}_{kind}"
        for source, target in ("AB", "BA")
        for kind in ("img", "seg")
        for role, domain in (("real", source), ("fake", target), ("rec", source))
    )

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        group = parser.add_argument_group("InstaGAN")
        group.add_argument(
            "--ins_per",
            type=int,
            default=2,
            help="instances translated at once, the paper's mini-batch",
        )
        if is_train:
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
            group.add_argument(
                "--lambda_ctx",
                type=float,
                default=1.0,
                help="weight of the context loss (Eq. 6), a factor on lambda_A and lambda_B",
            )
        return parser

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        self.real: dict[str, Scene] = {}
        self.reconstruction: dict[str, Scene] = {}
        self.groups: list[Group] = []
        self.annotated: dict[str, set[int]] = {}
        self.networks = {
            f"G_{x}": self.parallel(build_generator(**generator_keywords(opt))) for x in "AB"
        }
        if self.is_train:
            self.networks |= {
                f"D_{x}": self.parallel(build_discriminator(**discriminator_keywords(opt)))
                for x in "AB"
            }
            self.pools = {
                f"fake_{x}": ImagePool(opt.pool_size, opt.seed + i) for i, x in enumerate("AB")
            }
            self.add_optimizer("G", opt.lr)
            self.add_optimizer("D", opt.lr_D)
        self.directions = {
            source: self._direction(source, target, target if opt.swap_networks else source)
            for source, target in ("AB", "BA")
        }

    def _direction(self, source: str, target: str, letter: str) -> Direction:
        back = "B" if letter == "A" else "A"
        training = {}
        if self.is_train:
            training = {
                "discriminator": self.networks[f"D_{letter}"],
                "pool": self.pools[f"fake_{target}"],
                "content_weight": getattr(self.opt, f"lambda_{letter}"),
            }
        generators = (self.networks[f"G_{letter}"], self.networks[f"G_{back}"])
        return Direction(source, target, letter, *generators, **training)

    def set_input(self, scenes: Mapping[str, Scene]) -> None:
        """Take a batch: one scene per domain to be translated, still on the CPU."""
        present = {domain: scene.present for domain, scene in scenes.items()}
        self.groups = plan_groups(present, self.opt.ins_max, self.opt.ins_per)
        self.annotated = {
            d: {i for i, row in enumerate(p.tolist()) if any(row)} for d, p in present.items()
        }
        self.real = {domain: scene.to(self.device).normalized() for domain, scene in scenes.items()}

    # ---- training

    def optimize_parameters(self) -> None:
        self.losses = mean_by_name(list(self.train_groups()))

    def train_groups(self) -> Iterator[dict[str, Tensor]]:
        """One step of both optimisers per group (section 2.3); yields each group's losses."""
        for step in translate_in_groups(self.translate, self.real, self.groups):
            losses = self.update_generators(step)
            yield losses | self.update_discriminators(step)

    def translate(self, sources: Mapping[str, Scene]) -> dict[str, Translation]:
        """Both directions of one group.

        Each generator runs once on its sources and on the other direction's sources, which give the
        identity samples, together, and once more on the other direction's fakes.
        """
        fakes, identities = {}, {}
        for direction in self.directions.values():
            foreign = sources.get(direction.target) if self.opt.lambda_idt > 0 else None
            fakes[direction.source], identities[direction.target] = self.generate(
                direction.generator, sources.get(direction.source), foreign
            )
        return {
            domain: Translation(
                source,
                fakes[domain],
                self.generate(self.directions[domain].back_generator, fakes[domain])[0],
                identities[domain],
            )
            for domain, source in sources.items()
        }

    def generate(self, generator: nn.Module, *scenes: Scene | None) -> list[Scene | None]:
        """The generator on several scenes, in one call where their sizes agree; None stays None."""
        given = [scene for scene in scenes if scene is not None]
        if len({scene.image.shape[1:] for scene in given}) > 1:
            return [self.generate(generator, scene)[0] for scene in scenes]
        if not given:
            return [None for _ in scenes]
        joined = Scene.cat(given)
        with self.autocast():
            image, masks = generator(joined.image, joined.masks, joined.present)
        sizes = [len(scene) for scene in given]
        images = iter(image.to(joined.image.dtype).split(sizes))
        sets = iter(masks.to(joined.masks.dtype).split(sizes))
        return [
            scene
            and replace(scene, image=next(images), masks=next(sets)[:, : scene.masks.shape[1]])
            for scene in scenes
        ]

    def discriminate(self, discriminator: nn.Module, scene: Scene) -> Tensor:
        """Patch scores [B, 1, h, w] of a scene."""
        with self.autocast():
            scores = discriminator(scene.image, scene.masks, scene.present)
        return scores.to(scene.image.dtype)

    def update_generators(self, step: Step) -> dict[str, Tensor]:
        """A step of both generators on Eq. 7; returns its terms, weights included."""
        with self.frozen("D_A", "D_B"):
            terms = {}
            for domain in step.translations:
                terms |= self.generator_losses(self.directions[domain], step)
            self.observe(self.minimize("G", terms))
        return {name: value.detach() for name, value in terms.items()}

    def generator_losses(self, direction: Direction, step: Step) -> dict[str, Tensor]:
        """Eq. 3-6 of one direction: sums over its active samples by the whole batch's size."""
        moved, slots = step.translations[direction.source], step.group.slots
        scores = self.discriminate(direction.discriminator, step.samples[direction.source])
        weight, idt, ctx = direction.content_weight, self.opt.lambda_idt, self.opt.lambda_ctx
        letter, back = direction.letter, self.directions[direction.target].letter
        terms = {
            f"G_{letter}": adversarial_loss(scores, True, self.opt.gan_mode),
            f"cyc_{letter}": weight * set_l1_loss(moved.reconstruction, moved.source, slots),
            f"ctx_{letter}": weight * ctx * context_loss(moved.source, moved.fake),
        }
        if moved.identity is not None:
            terms[f"idt_{back}"] = weight * idt * set_l1_loss(moved.identity, moved.source, slots)
        return {name: term.sum() / self.batch_size for name, term in terms.items()}

    def update_discriminators(self, step: Step) -> dict[str, Tensor]:
        """A step of the discriminators on Eq. 3; one whose direction is finished takes none."""
        terms = {
            f"D_{self.directions[domain].letter}": self.discriminator_loss(
                self.directions[domain], sample.detach(), step.group.active[domain]
            )
            for domain, sample in step.samples.items()
        }
        self.minimize("D", terms)
        return {name: value.detach() for name, value in terms.items()}

    def discriminator_loss(self, direction: Direction, fake: Scene, active: list[int]) -> Tensor:
        """1/2 [(D(real) - 1)^2 + D(fake)^2] over the active pairs; reals carry their full set."""
        pairs = [i for i in active if i in self.annotated[direction.target]]
        judged = [(self.real[direction.target].select(pairs), True)] if pairs else []
        judged += [(past, False) for past in self.exchange(direction.pool, fake)]
        losses = [
            adversarial_loss(
                self.discriminate(direction.discriminator, scene), real, self.opt.gan_mode
            ).sum()
            for scene, real in judged
        ]
        return 0.5 * sum(losses) / self.batch_size

    def exchange(self, pool: ImagePool, fake: Scene) -> list[Scene]:
        """New fakes for those that the pool returns, joined by size of the picture."""
        new = [(one.image, one.masks, one.present) for one in fake.split()]  # plain: can be saved
        by_size: dict[torch.Size, list[Scene]] = {}
        for past in pool.query(new):
            by_size.setdefault(past[0].shape, []).append(Scene(*past).to(self.device))
        return [Scene.cat(scenes) for scenes in by_size.values()]

    @property
    def batch_size(self) -> int:
        return len(next(iter(self.real.values())))

    # ---- inference

    @torch.no_grad()
    def test(self) -> None:
        """Translate the batch there and back, every direction that has an input."""
        for domain, scene in self.real.items():
            direction = self.directions[domain]
            self.fake[direction.target] = self.infer(direction.generator, scene, domain)
            self.reconstruction[domain] = self.infer(
                direction.back_generator, self.fake[direction.target], domain
            )

    def infer(self, generator: nn.Module, scene: Scene, domain: str) -> Scene:
        """Sequential inference (Eq. 8); a picture without instances stays as it is."""
        groups = [replace(group, active={domain: group.active[domain]}) for group in self.groups]
        canvases = {domain: scene}
        for step in translate_in_groups(
            lambda sources: {
                d: Translation(s, *self.generate(generator, s)) for d, s in sources.items()
            },
            canvases,
            groups,
        ):
            canvases = step.canvases
        return canvases[domain]

    def get_current_visuals(self) -> dict[str, Tensor]:
        """The batch, its translation and reconstruction: images and unions of masks."""
        with self.undisturbed():
            self.test()
        visuals = {}
        for domain in self.real:
            target = self.directions[domain].target
            scenes = {
                f"real_{domain}": self.real[domain],
                f"fake_{target}": self.fake[target],
                f"rec_{domain}": self.reconstruction[domain],
            }
            visuals |= {f"{name}_img": scene.image for name, scene in scenes.items()}
            visuals |= {f"{name}_seg": scene.union() * 2 - 1 for name, scene in scenes.items()}
        return {name: visuals[name] for name in self.visual_names if name in visuals}


def generator_keywords(opt) -> dict:
    """What `build_generator` takes, from the options."""
    keywords = {
        "name": opt.netG,
        "image_channels": opt.input_nc,
        "width": opt.ngf,
        "n_blocks": opt.n_blocks,
        "norm": opt.norm,
        "dropout": opt.dropout,
        "recompute": opt.checkpoint_activations,
        "init": opt.init_type,
        "gain": opt.init_gain,
    }
    return keywords | ({"slots": min(opt.ins_per, opt.ins_max)} if opt.netG == "basic" else {})


def discriminator_keywords(opt) -> dict:
    """What `build_discriminator` takes, from the options."""
    keywords = {
        "name": opt.netD,
        "image_channels": opt.output_nc,
        "width": opt.ndf,
        "n_layers": opt.n_layers_D,
        "norm": opt.norm,
        "init": opt.init_D,
        "gain": opt.init_gain,
    }
    return keywords | ({"slots": opt.ins_max} if opt.netD == "basic" else {})


def mean_by_name(groups: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Each loss averaged over the groups that computed it."""
    names = {name for group in groups for name in group}
    return {n: torch.stack([group[n] for group in groups if n in group]).mean() for n in names}
