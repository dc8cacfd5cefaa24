"""DA-GAN: attention finds regions, and what is translated is their codes (Ma et al., CVPR 2018)."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from data.scene import Scene
from models.base_model import BaseModel
from models.contract import Translated
from models.da_gan_losses import (
    feature_distance,
    judged,
    label_loss,
    squared_distance,
    taken_for_real,
)
from models.da_gan_options import DAGANOptions, is_large
from models.da_gan_windows import drawn_windows, edges_of, regions_of
from models.exporting import Exportable
from models.networks.da_gan import (
    AttentionEncoder,
    CodeClassifier,
    Judge,
    Locator,
    RegionDecoder,
    RegionEncoder,
    held_still,
)
from models.networks.initialization import initialize
from util.errors import UserError

Losses = dict[str, Tensor]


class DAGANModel(DAGANOptions, BaseModel):
    """One way, from a set of pictures to another: F(x) = G(DAE(x)).

    The attention encoder DAE finds windows and encodes what is in them; G paints a picture of these
    codes. D1 tells translations from real targets, D2 targets that were made again from themselves.
    """

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        self.directions = self.ways(opt)
        self.seen = getattr(opt, "warmup_cls", 0)  # until `step` says
        regions = 1 if opt.no_dae else opt.n_regions
        codes = 4 * opt.ngf * (regions + (opt.include_global and not opt.no_dae))
        colours, large = {"image_channels": opt.input_nc}, is_large(opt)
        self.encode = self.add(
            "DAE",
            AttentionEncoder(
                RegionEncoder(**colours, width=opt.ngf, large=large),
                Locator(width=opt.ngf, windows=regions, share=opt.rho),
                attends=not opt.no_dae,
                sees_all=opt.include_global and not opt.no_dae,
                sharpen_for=getattr(opt, "sharpen_for", 1),
            ),
            translates=True,
        )
        sizes = {"width": opt.ngf, "n_blocks": opt.n_blocks, "large": large}
        self.paint = self.add("G", RegionDecoder(codes, **colours, **sizes), translates=True)
        self.judges: dict[str, nn.Module] = {}
        self.classify: nn.Module | None = None  # where there are labels
        if self.is_train:
            self.prepare_training(opt, codes)

    def prepare_training(self, opt, codes: int) -> None:
        size, names = (opt.fineSizeH, opt.fineSizeW), ["D1", *([] if opt.no_D2 else ["D2"])]
        for name in names:
            judge = Judge(size, image_channels=opt.input_nc, width=opt.ndf)
            self.judges[name] = self.add(name, judge)
        if opt.label_mode != "none":
            sorter = CodeClassifier(codes, opt.n_classes, width=opt.width_C, n_blocks=opt.blocks_C)
            self.classify = self.add("C", sorter)
        betas = (opt.beta1, 0.999)
        trained = [name for name in self.networks if name not in names]
        self.add_optimizer("G", trained, opt.lr, betas=betas)
        self.add_optimizer("D", names, opt.lr, betas=betas)
        self.average()

    def add(self, name: str, network: nn.Module, translates: bool = False) -> nn.Module:
        initialize(network, "normal", linear=True)
        if isinstance(network, AttentionEncoder) and network.locator:
            network.locator.start()
        if self.processes > 1 and self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return self.add_network(name, network, translates=translates)

    # ---- training

    def step(
        self, scenes: Mapping[str, Scene], number: int = 0, pictures: int | None = None
    ) -> int | None:
        """As every model's, see `BaseModel.step`; remembers how far the training is."""
        self.seen = number  # pictures before this batch, also of a run that goes on
        return super().step(scenes, number, pictures)

    def train_step(self, scenes: Mapping[str, Scene]) -> None:
        """One update of both discriminators, then one of everything else; labels alone at first."""
        (way,) = self.directions
        for domain, scene in scenes.items():
            self.check_labels(domain, scene)
        scenes = {d: scene.slots(0, 0) for d, scene in self.on_device(scenes).items()}
        source, target = scenes[way.source], scenes[way.target]
        if self.seen < self.opt.warmup_cls:
            self.update("G", self.label_losses, source, target)
        else:
            self.update("D", self.judging_losses, source, target)
            self.update("G", self.painting_losses, source, target)
        self.networks["DAE"].sharpen()

    def check_labels(self, domain: str, scene: Scene) -> None:
        """Raise UserError for a label that the classifier has no place for."""
        labels = scene.extras.get("label")
        if self.classify and labels is not None and int(labels.max()) >= self.opt.n_classes:
            place = int(labels.flatten().argmax())
            raise UserError(
                f"{domain}: the label of {scene.names[place]} is {int(labels.max())}, and "
                f"--n_classes {self.opt.n_classes} has 0 to {self.opt.n_classes - 1}: raise it"
            )

    def judging_losses(self, source: Scene, target: Scene) -> tuple[Losses, None]:
        """Eq. 7 and 8 for the discriminators."""
        losses = {}
        made = {"painted_D": ("D1", source), "repainted_D": ("D2", target)}
        for name, (judge, of) in made.items():
            if judge in self.judges:
                with torch.no_grad():
                    fake = self.paint(self.encode(of.image)[0])
                tell = self.judges[judge]
                losses[name] = judged(tell(target.image), True) + judged(tell(fake), False)
        return losses, None

    def painting_losses(self, source: Scene, target: Scene) -> tuple[Losses, None]:
        """Eq. 9: what encoder, generator and classifier lose."""
        opt, losses = self.opt, {}
        of = {"source": source, "target": target}
        codes = {name: self.encode(scene.image)[0] for name, scene in of.items()}
        painted = {name: self.paint(code) for name, code in codes.items()}
        losses["painted_adv"] = taken_for_real(self.judges["D1"](painted["source"]))
        if "D2" in self.judges:
            losses["repainted_adv"] = taken_for_real(self.judges["D2"](painted["target"]))
        for name, weight in (("source", opt.alpha), ("target", opt.beta)):
            if weight:
                losses[f"{name}_code"] = weight * self.distance(codes[name], painted[name])
        if self.classify:
            terms = [self.label_term(of[name], codes[name]) for name in self.labelled()]
            losses["label_code"] = sum(terms)
        return losses, None

    def label_losses(self, source: Scene, target: Scene) -> tuple[Losses, None]:
        """Where to look, and what labels are, before anything is translated."""
        of = {"source": source, "target": target}
        terms = [self.label_term(of[x], self.encode(of[x].image)[0]) for x in self.labelled()]
        return {"label_code": sum(terms)}, None

    def labelled(self) -> tuple[str, ...]:
        """Whose labels are looked at; never those of the target in domain adaptation."""
        return ("source", "target") if self.opt.label_mode == "both" else ("source",)

    def label_term(self, scene: Scene, codes: Tensor) -> Tensor:
        """What the classifier of codes loses on the labels of a scene (section 3.1), [B]."""
        logits = self.classify(codes)[-1]
        return self.opt.lambda_cls * label_loss(logits, scene.extras["label"].flatten())

    def distance(self, codes: Tensor, painted: Tensor) -> Tensor:
        """How far the codes of what was painted are from those that it was painted of (Eq. 5, 6).

        The networks that read them hold still, unless --d_joint: they could make all codes alike.
        """
        networks = [self.networks[name] for name in ("DAE", "C") if name in self.networks]
        with nullcontext() if self.opt.d_joint else held_still(*networks):
            again = self.encode(painted)[0]
            if self.opt.d == "l2":
                return squared_distance(codes.detach(), again)
            first, second = ([x, *self.classify(x)[:2]] for x in (codes.detach(), again))
        return feature_distance([x.detach() for x in first], second)

    # ---- inference

    @torch.no_grad()
    def translate(self, scene: Scene, source: str) -> Translated:
        """A picture for each; masks are not looked at. Windows are drawn on the source."""
        scene = self.on_device({source: scene})[source]
        codes, centres = self.encode(scene.image)
        fake = replace(scene.slots(0, 0), image=self.paint(codes))
        named = {"styles": ["made again"] if getattr(self.opt, "remake", False) else []}
        if self.opt.no_dae:
            return Translated(scene, [fake], **named)
        seen = {
            "windows": drawn_windows(scene.image, centres, self.opt.rho),
            "regions": regions_of(scene.image, centres, self.opt.rho),
        }
        edges = edges_of(centres, self.opt.rho, (1, 1))
        return Translated(scene, [fake], extras=seen, numbers={"windows": edges}, **named)

    def exportable(self, source: str, masks: int | None) -> Exportable:
        """A picture -> the picture translated, and where its windows are."""
        network = Translation(self.networks["DAE"], self.networks["G"])
        channels = self.opt.input_nc

        def example(height: int, width: int, absent: bool) -> tuple[Tensor]:
            generator = torch.Generator().manual_seed(height)
            return (torch.rand(1, channels, height, width, generator=generator) * 2 - 1,)

        return Exportable(network, example, ["translated_image", "centres"])


class Translation(nn.Module):
    """A picture [1, C, H, W] -> its translation, and the centres of its windows [1, N, 2]."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        codes, centres = self.encoder(image)
        return self.decoder(codes), centres
