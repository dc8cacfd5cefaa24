"""INIT: pictures, and the objects in them, are contents in styles (Shen et al., CVPR 2019).

The base is MUNIT (Huang et al., ECCV 2018), which is `--granularity none`.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from data.direction import BOTH_WAYS, Direction
from data.scene import Scene
from models.base_model import BaseModel
from models.init_codes import (
    FOUND,
    LEVELS,
    NOISE,
    OBJECTS,
    OUTSIDE,
    Codes,
    Objects,
    Part,
    Style,
    allowed,
    with_objects,
)
from models.init_losses import fooled, judged, l1_loss, mean_of, summed
from models.init_options import GROUPS, INITOptions
from models.init_styles import INITResults
from models.networks.initialization import initialize
from models.networks.munit import (
    ContentEncoder,
    Decoder,
    MultiScaleDiscriminator,
    StyleEncoder,
)

Losses = dict[str, Tensor]


class INITModel(INITOptions, INITResults, BaseModel):
    """An auto-encoder of contents and styles for each domain, which objects share with pictures.

    What is translated is a content, painted by the other domain in a style of its own: as many
    results of a picture as one likes. Masks, whose boxes are the objects, are used in training
    alone.
    """

    directions = BOTH_WAYS

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        colours = {"image_channels": opt.input_nc}
        sizes = {**colours, "width": opt.ngf}
        styles = {**sizes, "styles": opt.style_dim}
        build = {
            "content": lambda: ContentEncoder(**sizes, n_blocks=opt.n_blocks),
            "style": lambda: StyleEncoder(**styles),
            "decoder": lambda: Decoder(**styles, hidden=opt.mlp_dim, n_blocks=opt.n_blocks),
        }
        if self.is_train:
            build["D"] = lambda: MultiScaleDiscriminator(
                **colours, width=opt.ndf, scales=opt.n_scales
            )
        for domain in "AB":
            for kind, make in build.items():
                names = [f"{kind}_{domain}"]
                if self.is_train and GROUPS[kind] in opt.objects_own:
                    names.append(f"object_{kind}_{domain}")
                for name in names:
                    network = make()
                    initialize(network, "normal" if kind == "D" else "kaiming", linear=True)
                    self.add_network(name, network, translates=kind != "D" and name in names[:1])
        if self.is_train:
            self.prepare_training(opt)

    def prepare_training(self, opt) -> None:
        judges = [name for name in self.networks if "D_" in name]
        painters = [name for name in self.networks if name not in judges]
        for kind, names in (("G", painters), ("D", judges)):
            betas, decay = (opt.beta1, 0.999), opt.weight_decay
            rate = halved_every(opt.halve_every)
            self.add_optimizer(
                kind, names, opt.lr, betas=betas, weight_decay=decay, per_update=rate
            )
        self.average()

    # ---- networks

    def network(self, kind: str, domain: str, level: str) -> nn.Module:
        """That of a domain for whole pictures, or for objects, which may have their own."""
        own = self.executions.get(f"object_{kind}_{domain}") if level == "object" else None
        return own or self.executions[f"{kind}_{domain}"]

    def encode(self, domain: str, pictures: Tensor, level: str) -> Part:
        """Pictures or objects of a domain, with their codes."""
        content, style = (self.network(x, domain, level)(pictures) for x in ("content", "style"))
        return Part(pictures, content, style, level)

    def paint(self, domain: str, content: Tensor, level: str, style: Style) -> Tensor:
        """Contents of a level as the domain paints them, in a style."""
        value, of = style
        if not allowed(level, of, self.opt.granularity):
            raise AssertionError(f"a style of {of} on a content of {level}")
        return self.network("decoder", domain, level)(content, value)

    def paint_each(self, domain: str, part: Part, styles: Sequence[Style]) -> Tensor:
        """A part as the domain paints it in each of the styles, one after another.

        All are made at once: small pictures are faster together.
        """
        contents = part.content.repeat(len(styles), 1, 1, 1)
        values = torch.cat([value for value, _ in styles])
        finest = min((of for _, of in styles), key=LEVELS.index)
        return self.paint(domain, contents, part.level, (values, finest))

    def repaint(self, domain: str, part: Part, styles: Sequence[Style]) -> list[Part]:
        """What `paint_each` makes, as a part for each style, with the codes read from it."""
        found = self.encode(domain, self.paint_each(domain, part, styles), part.level)
        chunks = (x.chunk(len(styles)) for x in (found.pictures, found.content, found.style))
        return [Part(*own, part.level) for own in zip(*chunks, strict=True)]

    # ---- training

    def train_step(self, scenes: Mapping[str, Scene]) -> None:
        """One update of the discriminators, then one of the auto-encoders, as MUNIT does."""
        scenes = {d: with_objects(scene, self.opt) for d, scene in scenes.items()}
        for domain, scene in scenes.items():
            if FOUND in scene.extras:
                there = scene.extras[FOUND][:, 0]
                counts = torch.stack([(~there).sum(), torch.tensor(len(there))])
                self.count(domain, counts.to(self.device))
        scenes = self.on_device(scenes)
        self.update("D", self.discriminator_losses, scenes)
        self.update("G", self.generator_losses, scenes)

    def generator_losses(self, scenes: Mapping[str, Scene]) -> tuple[Losses, None]:
        """Eq. 4, one value per picture: the terms of both directions added up."""
        codes = self.codes_of(scenes)
        terms = []
        for way in self.directions:
            terms.append(self.whole_losses(way, codes, scenes[way.source].extras[NOISE]))
            if codes.objects:
                terms.append(self.object_losses(way, codes, scenes[way.source]))
            if self.opt.granularity == "half_scale":
                terms.append(self.mirrored_losses(way.source, codes))
        return summed(terms), None

    def codes_of(self, scenes: Mapping[str, Scene]) -> Codes:
        """Pictures and objects of both domains with their codes; no objects if none are used."""
        wholes = {d: self.encode(d, scene.image, "whole") for d, scene in scenes.items()}
        with_them = {d: scene for d, scene in scenes.items() if OBJECTS in scene.extras}
        objects = {d: Objects.of(scene) for d, scene in with_them.items()}
        parts = {d: self.encode(d, own.pictures, "object") for d, own in objects.items()}
        return Codes(wholes, parts, objects)

    def whole_losses(self, way: Direction, codes: Codes, noise: Tensor) -> Losses:
        """Pictures made again from their own codes, and translated in a random style."""
        opt, own = self.opt, codes.wholes[way.source]
        (fake,) = self.repaint(way.target, own, [(noise, "whole")])
        again, back = self.painted_back(way.source, own, [own, fake])
        return {
            "whole_adv": fooled(self.network("D", way.target, "whole")(fake.pictures)),
            "whole_self": opt.lambda_g * again,
            "whole_cycle": opt.lambda_g * back,
            "whole_content": opt.lambda_c * l1_loss(fake.content, own.content),
            "whole_style": opt.lambda_s * l1_loss(fake.style, noise),
        }

    def painted_back(self, domain: str, own: Part, parts: Sequence[Part]) -> list[Tensor]:
        """How far pictures painted from these contents, in a part's own style, are from that part.

        Values [R] for each of the contents; all are painted at once.
        """
        contents, count = torch.cat([x.content for x in parts]), len(parts)
        style = (own.style.repeat(count, 1), own.level)
        made = self.paint(domain, contents, own.level, style).chunk(count)
        return [l1_loss(pictures, own.pictures) for pictures in made]

    def object_losses(self, way: Direction, codes: Codes, scene: Scene) -> Losses:
        """Objects made again from their own codes, translated, and in styles of their picture."""
        opt, own, objects = self.opt, codes.parts[way.source], codes.objects[way.source]
        foreign, near = codes.foreign_styles(way), self.near_styles(way.source, codes, scene)
        translated = self.repaint(way.target, own, foreign)
        restyled = self.repaint(way.source, own, near)
        everything = [*zip(translated, foreign, strict=True), *zip(restyled, near, strict=True)]

        again, *back = self.painted_back(way.source, own, [own, *translated, *restyled])
        judge, fakes = self.network("D", way.target, "object"), [x.pictures for x in translated]
        losses = {
            "object_adv": mean_of(fooled(judge(torch.cat(fakes))).chunk(len(fakes))),
            "object_self": opt.lambda_o * again,
            "object_cycle": opt.lambda_o * mean_of(back[: len(translated)]),
            "object_swap": opt.lambda_o * mean_of(back[len(translated) :]),
            "object_content": mean_of(
                opt.lambda_c * l1_loss(x.content, own.content) for x, _ in everything
            ),
            "object_style": mean_of(
                opt.lambda_s * l1_loss(x.style, style) for x, (style, _) in everything
            ),
        }
        losses = {name: objects.per_picture(values) for name, values in losses.items()}
        whole, style = codes.wholes[way.source], objects.first(restyled[0].style)
        swapped = self.paint(way.source, whole.content, "whole", (style, "whole"))
        there = objects.found[:, 0].to(style.dtype)
        losses["whole_swap"] = opt.lambda_g * l1_loss(swapped, whole.pictures) * there
        return losses

    def near_styles(self, domain: str, codes: Codes, scene: Scene) -> list[Style]:
        """For each object: the style of its picture, and with --use_bg_style of what is around."""
        picture = codes.objects[domain].picture
        styles = [(codes.wholes[domain].style.detach()[picture], "whole")]
        if OUTSIDE in scene.extras:
            with torch.no_grad():
                style = self.network("style", domain, "whole")(scene.image, scene.extras[OUTSIDE])
            styles.append((style[picture], "background"))
        return styles

    def mirrored_losses(self, domain: str, codes: Codes) -> Losses:
        """Two sizes of a picture change styles the other way round as well: half onto whole."""
        whole, half = codes.wholes[domain], codes.parts[domain]
        (restyled,) = self.repaint(domain, whole, [(half.style.detach(), "object")])
        back = self.paint(domain, restyled.content, "whole", (whole.style, "whole"))
        swapped = self.paint(domain, half.content, "object", (restyled.style, "object"))
        return {
            "whole_swap": self.opt.lambda_g * l1_loss(back, whole.pictures),
            "object_swap": self.opt.lambda_o * l1_loss(swapped, half.pictures),
        }

    def discriminator_losses(self, scenes: Mapping[str, Scene]) -> tuple[Losses, None]:
        """Pictures and objects of each domain against those that are painted as it."""
        with torch.no_grad():
            codes = self.codes_of(scenes)
        terms = []
        for way in self.directions:
            target, noise = way.target, scenes[way.source].extras[NOISE]
            judge = self.network("D", target, "whole")
            with torch.no_grad():
                content = codes.wholes[way.source].content
                fake = self.paint(target, content, "whole", (noise, "whole"))
            real = scenes[target].image
            terms.append({"whole_D": judged(judge(fake), False) + judged(judge(real), True)})
            if codes.objects:
                terms.append({"object_D": self.object_judge_loss(way, codes)})
        return summed(terms), None

    def object_judge_loss(self, way: Direction, codes: Codes) -> Tensor:
        """Real objects of the target domain against those that are painted as it, [B]."""
        judge, own = self.network("D", way.target, "object"), codes.parts[way.source]
        styles = codes.foreign_styles(way)
        with torch.no_grad():
            fakes = self.paint_each(way.target, own, styles)
        fake = mean_of(judged(judge(fakes), False).chunk(len(styles)))
        real = judged(judge(codes.parts[way.target].pictures), True)
        sources, targets = codes.objects[way.source], codes.objects[way.target]
        return sources.per_picture(fake) + targets.per_picture(real)

    def get_current_facts(self) -> dict:
        """The share of pictures of each domain in which no object is large enough."""
        counts = self.read_counts(2)
        bare = {
            domain: none / all_of_them
            for domain, (none, all_of_them) in counts.items()
            if all_of_them
        }
        return {"objects": {"bare": bare}} if bare else {}


def halved_every(updates: int) -> Callable[[int], float]:
    """The factor on the learning rate after a number of updates; with 0 it stays 1."""
    return (lambda done: 0.5 ** (done // updates)) if updates else (lambda done: 1.0)
