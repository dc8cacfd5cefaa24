"""MGD-GAN: masks are translated first, all at once, then the picture (Su et al., IJCAI 2021)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from data.direction import BOTH_WAYS
from data.scene import Scene
from models.base_model import BaseModel
from models.contract import Translated
from models.exporting import Exportable
from models.losses import mask_counts
from models.mask_facts import mask_facts
from models.mgd_gan_batch import DOMAINS, DRAW, Batch, batches_of
from models.mgd_gan_export import MASKS, exportable_pipeline
from models.mgd_gan_losses import (
    Binarised,
    area_penalty,
    blended,
    compactness_loss,
    consistency_loss,
    feature_loss,
    fusion_loss,
    hinge_discriminator,
    hinge_generator,
    mask_l1_loss,
    over_pixels,
    per_picture,
    score_loss,
)
from models.mgd_gan_options import STAGES, MGDGANOptions
from models.networks.apade import ApadeGenerator, ImageDiscriminator
from models.networks.initialization import initialize
from models.networks.mask_morph import MaskDiscriminator, MaskGenerator
from models.perceptual import VGGLoss, pyramid_loss

Losses = dict[str, Tensor]
Made = dict[str, dict[str, Tensor]]  # what generators made: `masks` and `images`, by source domain


class MGDGANModel(MGDGANOptions, BaseModel):
    """One generator of masks and one of pictures, told the domain by a label, serve both ways.

    A run is one stage of the training and has the networks of it; a test translates by what is
    there: masks, pictures, or both.
    """

    directions = BOTH_WAYS

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        self.stage = STAGES[opt.stage]
        build = {
            "G_mask": lambda: MaskGenerator(
                image_channels=opt.input_nc, width=opt.ngf, n_blocks=opt.n_blocks
            ),
            "G_img": lambda: ApadeGenerator(
                image_channels=opt.input_nc, width=opt.ngf, halvings=opt.halvings
            ),
            "D_mask": lambda: MaskDiscriminator(width=opt.ndf),
            "D_img": lambda: ImageDiscriminator(image_channels=opt.input_nc, width=opt.ndf),
        }
        schemes = {"G_mask": "normal", "G_img": "xavier", "D_img": "xavier"}
        for name in build:
            translates = name.startswith("G_")
            if name in self.stage.networks and (translates or self.is_train):
                network = build[name]()
                if name in schemes:  # layers with a spectral norm keep PyTorch's, as in SPADE
                    initialize(network, schemes[name])
                self.add_network(name, network, translates=translates)
        if self.is_train:
            self.prepare_training(opt)

    def prepare_training(self, opt) -> None:
        betas = (opt.beta1, 0.999)
        self.add_optimizer("G", self.stage.generators, opt.lr, betas=betas)
        self.add_optimizer("D", self.stage.judges, opt.lr_D, betas=betas)
        self.average()
        for name in self.stage.frozen:
            self.networks[name].eval()  # spectral norms stay as they are, too
        self.perceptual = pyramid_loss
        if self.stage.supervised and opt.perceptual == "vgg19":
            self.perceptual = VGGLoss(Path(opt.vgg_weights)).to(self.device)

    # ---- training

    def train_step(self, scenes: Mapping[str, Scene]) -> None:
        """One update of the stage's generators, both ways, and one of its discriminators."""
        scenes = self.on_device({domain: with_draw(scene) for domain, scene in scenes.items()})
        made = self.update("G", self.generator_losses, scenes)
        self.update("D", self.discriminator_losses, scenes, made)
        for domain, masks in made["masks"].items():
            scene = scenes[domain].padded(masks.shape[1])
            self.count(domain, mask_counts(scene, replace(scene, masks=masks * 2 - 1)))

    def generator_losses(self, scenes: Mapping[str, Scene]) -> tuple[Losses, Made]:
        """The terms of Eq. 8, Eq. 11 or both, as the stage says; means over both directions."""
        losses: Losses = {}
        made: Made = {"masks": {}, "images": {}}
        for batch in batches_of(scenes):
            masks = None
            if self.stage.morphs:
                terms, masks = self.mask_losses(batch)
                add_means(losses, terms, len(scenes))
                made["masks"] |= batch.by_domain(masks)
            if self.stage.paints:
                terms, images = self.image_losses(batch, masks)
                add_means(losses, terms, len(scenes))
                made["images"] |= batch.by_domain(images)
        return losses, made

    def discriminator_losses(self, scenes: Mapping[str, Scene], made: Made) -> tuple[Losses, None]:
        """Eq. 4 of masks and its like of pictures, as the stage says."""
        losses: Losses = {}
        for batch in batches_of(scenes):
            masks, images = (batch.joined(own) for own in made.values())
            if self.stage.morphs:
                add_means(losses, {"mask_D": self.mask_judge_loss(batch, masks)}, len(scenes))
            if "D_img" in self.stage.judges:
                loss = self.image_judge_loss(batch, images, masks)
                add_means(losses, {"img_D": loss}, len(scenes))
        return losses, None

    def mask_losses(self, batch: Batch) -> tuple[Losses, Tensor]:
        """Masks Morph, for each picture: the generator's terms of Eq. 8, and the new masks."""
        opt, present, given = self.opt, batch.present, batch.masks
        labels = torch.stack([batch.target, batch.label], 1)
        levels = self.executions["G_mask"](batch.scene.image, given, present, labels)
        morphed = [level[:, 0] for level in levels]
        masks, kept = morphed[-1], levels[-1][:, 1]
        scores = self.executions["D_mask"](masks, present, batch.target)
        losses = {
            "mask_adv": sum(over_pixels(hinge_generator(x, opt.hinge_g)) for x in scores),
            "mask_pc": opt.lambda_pc * mask_l1_loss(kept, given),
            "mask_const": opt.lambda_const * consistency_loss(morphed),
            "mask_com": opt.lambda_reg * opt.lambda_com * compactness_loss(masks),
            "mask_pen": opt.lambda_reg * opt.lambda_pen * area_penalty(masks),
        }
        return {name: per_picture(x, present) for name, x in losses.items()}, masks

    def image_losses(self, batch: Batch, masks: Tensor | None) -> tuple[Losses, Tensor]:
        """Of each picture: Designed Supervision, or what is painted in translated masks; and the
        new pictures.
        """
        if self.stage.supervised:
            losses, images = self.supervised_losses(batch)
        else:
            losses, images = self.reversal_losses(batch, masks)
        return {name: values * batch.takes_part for name, values in losses.items()}, images

    def supervised_losses(self, batch: Batch) -> tuple[Losses, Tensor]:
        """Eq. 11: a picture is rebuilt from its background and its own masks."""
        opt, real = self.opt, batch.scene.image
        background, hole = batch.removed(self.foreign_holes)
        layout = batch.layout(batch.masks, batch.label, hole)
        image, _, fusion = self.paint(background, layout)
        outputs = self.executions["D_img"](image, layout)
        with torch.no_grad():
            wanted = self.executions["D_img"](real, layout)
        return {
            "img_adv": self.image_adversarial(outputs),
            "img_feat": opt.lambda_feat * feature_loss(outputs, wanted),
            "img_perc": opt.lambda_vgg * self.perceptual(image, real),
            "img_fmap": opt.lambda_fmap * fusion_loss(fusion, layout[:, :1]),
        }, image

    def reversal_losses(self, batch: Batch, masks: Tensor) -> tuple[Losses, Tensor]:
        """Section 2.3: what the discriminator of pictures says of translated masks, painted.

        End to end the painter learns from it as well. There is no picture to rebuild then; but
        where it paints can still be asked for.
        """
        background, hole = batch.removed()
        layout = batch.layout(Binarised.apply(masks), batch.target, hole)
        image, _, fusion = self.paint(background, layout)
        loss = self.image_adversarial(self.executions["D_img"](image, layout))
        if "G_img" in self.stage.frozen:
            return {"img_adv": self.opt.lambda_rev * loss}, image
        painted = fusion_loss(fusion, layout[:, :1].detach())
        return {"img_adv": loss, "img_fmap": self.opt.lambda_fmap * painted}, image

    def paint(self, background: Tensor, layout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Eq. 9: the picture, and the foreground and the fusion map that it is made of."""
        foreground, fusion = self.executions["G_img"](background, layout)
        return blended(foreground, fusion, background), foreground, fusion

    @property
    def foreign_holes(self) -> float:
        """The share of pictures with holes of the other domain."""
        return self.opt.hole_aug if self.stage.supervised else 0.0

    def image_adversarial(self, outputs) -> Tensor:
        return score_loss(outputs, lambda scores: hinge_generator(scores, self.opt.hinge_g))

    def mask_judge_loss(self, batch: Batch, masks: Tensor) -> Tensor:
        """Eq. 4: real masks of each domain against translated ones that claim to be of it. [B]"""
        judge, present = self.executions["D_mask"], batch.present
        fake, real = judge(masks, present, batch.target), judge(batch.masks, present, batch.label)
        terms = [
            over_pixels(hinge_discriminator(scores, is_real))
            for found, is_real in ((fake, False), (real, True))
            for scores in found
        ]
        return 0.5 * per_picture(sum(terms), present)

    def image_judge_loss(self, batch: Batch, images: Tensor, masks: Tensor | None) -> Tensor:
        """The hinge loss of D_img: pictures with their own maps against painted ones. [B]"""
        _, hole = batch.removed(self.foreign_holes)
        painted_by = layout = batch.layout(batch.masks, batch.label, hole)
        if masks is not None:
            painted_by = batch.layout(Binarised.apply(masks), batch.target, batch.removed()[1])
        judge = self.executions["D_img"]
        fake = score_loss(judge(images, painted_by), lambda x: hinge_discriminator(x, False))
        real = score_loss(judge(batch.scene.image, layout), lambda x: hinge_discriminator(x, True))
        return (fake + real) * batch.takes_part

    def get_current_facts(self) -> dict:
        facts = mask_facts(self.read_counts(5))
        return {"masks": facts} if facts else {}

    # ---- inference

    def exportable(self, source: str, masks: int | None) -> Exportable:
        """What the run has of masks and pictures, in one direction."""
        target = torch.eye(len(DOMAINS))[1 - DOMAINS.index(source)]
        networks = [self.networks.get(name) for name in ("G_mask", "G_img")]
        count = MASKS if masks is None else masks
        return exportable_pipeline(*networks, target, self.opt.input_nc, count)

    @torch.no_grad()
    def translate(self, scene: Scene, source: str) -> Translated:
        """Masks first, all at once, then one picture; a picture without instances stays.

        A run of stage `mask` leaves pictures as they are. One of stage `image` leaves masks as they
        are, and paints what is in them as the other domain.
        """
        (batch,) = batches_of(self.on_device({source: scene}))
        scene, masks = batch.scene, batch.masks
        if self.stage.morphs:
            levels = self.executions["G_mask"](
                scene.image, masks, batch.present, batch.target[:, None]
            )
            masks = Binarised.apply(levels[-1][:, 0])
        fake = batch.translated(masks)
        if not self.stage.paints:
            return Translated(scene, [fake])
        background, hole = batch.removed()
        image, steps = self.painted(batch, masks, batch.target, background, hole)
        extras = {"background": background, **steps}
        if self.stage.supervised:
            extras["rebuilt"], _ = self.painted(batch, masks, batch.label, background, hole)
        return Translated(scene, [replace(fake, image=image)], extras=extras)

    def painted(
        self, batch: Batch, masks: Tensor, label: Tensor, background: Tensor, hole: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The picture, and the steps to it in [-1, 1]; one without instances stays."""
        image, foreground, fusion = self.paint(background, batch.layout(masks, label, hole))
        there = batch.takes_part[:, None, None, None] > 0
        fusion = torch.where(there, fusion * 2 - 1, -1)
        return torch.where(there, image, batch.scene.image), {
            "foreground": foreground,
            "fusion": fusion,
        }


def with_draw(scene: Scene) -> Scene:
    """A scene with a random number for each picture, so that both updates draw the same.

    As an extra it goes where its picture goes, with --accumulate as well.
    """
    return replace(scene, extras={**scene.extras, DRAW: torch.rand(len(scene))})


def add_means(losses: Losses, terms: Mapping[str, Tensor], directions: int) -> None:
    """Add terms of each picture up, so that they are means over the directions."""
    for name, values in terms.items():
        losses[name] = losses.get(name, 0) + values.sum() / directions
