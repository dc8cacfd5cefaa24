"""MGD-GAN: masks are translated first, all at once, then the picture (Su et al., IJCAI 2021)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from data.direction import BOTH_WAYS
from data.scene import Scene
from models.base_model import BaseModel
from models.contract import Translated
from models.exporting import Exportable
from models.losses import mask_counts
from models.mask_facts import mask_facts
from models.mgd_gan_batch import DOMAINS, Batch, batches_of
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


class Painted(NamedTuple):
    """A picture, and what it was made of, by name."""

    image: Tensor
    steps: dict[str, Tensor]


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
                if name in schemes:
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
        scenes = self.on_device(scenes)
        # drawn here, so that both updates and all parts of a batch have the same holes
        drawn = {d: torch.rand(len(x)).to(self.device) for d, x in scenes.items()}
        made = self.update("G", self.generator_losses, scenes, drawn)
        self.update("D", self.discriminator_losses, scenes, drawn, made)
        for domain, masks in made["masks"].items():
            fake = replace(scenes[domain], masks=masks * 2 - 1)
            self.count(domain, mask_counts(scenes[domain], fake))

    def generator_losses(
        self, scenes: Mapping[str, Scene], drawn: Mapping[str, Tensor]
    ) -> tuple[Losses, Made]:
        """The terms of Eq. 8, Eq. 11 or both, as the stage says; means over both directions."""
        losses: Losses = {}
        made: Made = {"masks": {}, "images": {}}
        for batch in batches_of(scenes):
            terms, masks = self.mask_losses(batch) if self.stage.morphs else ({}, None)
            if self.stage.paints:
                more, image = self.image_losses(batch, drawn, masks)
                terms |= more
                made["images"] |= batch.by_domain(image)
            if masks is not None:
                slots = {d: scenes[d].masks.shape[1] for d in batch.domains}
                own = batch.by_domain(masks)
                made["masks"] |= {d: own[d][:, :count] for d, count in slots.items()}
            for name, values in terms.items():
                losses[name] = losses.get(name, 0) + values.sum() / len(scenes)
        return losses, made

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

    def image_losses(
        self, batch: Batch, drawn: Mapping[str, Tensor], masks: Tensor | None
    ) -> tuple[Losses, Tensor]:
        """Designed Supervision (Eq. 11) for the pictures' own masks; else, for translated ones,
        the discriminator's word alone. For each picture; and the new pictures.
        """
        if self.stage.supervised:
            return self.supervised_losses(batch, drawn)
        background, hole = batch.removed()
        sharp = Binarised.apply(masks)
        layout = batch.layout(sharp, batch.target, hole)
        foreground, fusion = self.executions["G_img"](background, layout)
        image = blended(foreground, fusion, background)
        losses = {"img_adv": self.image_adversarial(self.executions["D_img"](image, layout))}
        if "G_img" in self.stage.frozen:
            losses["img_adv"] = self.opt.lambda_rev * losses["img_adv"]
        else:  # end to end there is no picture to rebuild; where it paints can still be asked for
            wanted = layout[:, :1].detach()
            losses["img_fmap"] = self.opt.lambda_fmap * fusion_loss(fusion, wanted)
        return {name: values * batch.judged for name, values in losses.items()}, image

    def supervised_losses(self, batch: Batch, drawn: Mapping[str, Tensor]) -> tuple[Losses, Tensor]:
        """Eq. 11: a picture is rebuilt from its background and its own masks."""
        opt, real = self.opt, batch.scene.image
        background, layout = self.own_layout(batch, drawn)
        foreground, fusion = self.executions["G_img"](background, layout)
        image = blended(foreground, fusion, background)
        outputs = self.executions["D_img"](image, layout)
        with torch.no_grad():
            wanted = self.executions["D_img"](real, layout)
        losses = {
            "img_adv": self.image_adversarial(outputs),
            "img_feat": opt.lambda_feat * feature_loss(outputs, wanted),
            "img_perc": opt.lambda_vgg * self.perceptual(image, real),
            "img_fmap": opt.lambda_fmap * fusion_loss(fusion, layout[:, :1]),
        }
        return {name: values * batch.judged for name, values in losses.items()}, image

    def own_layout(self, batch: Batch, drawn: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The background and the map of pictures as they are."""
        background, hole = batch.removed()
        if self.stage.supervised and self.opt.hole_aug:
            chosen = torch.cat([drawn[d] for d in batch.domains]) < self.opt.hole_aug
            background, hole = batch.with_foreign_holes(background, hole, chosen.to(hole.dtype))
        return background, batch.layout(batch.masks, batch.label, hole)

    def image_adversarial(self, outputs) -> Tensor:
        return score_loss(outputs, lambda scores: hinge_generator(scores, self.opt.hinge_g))

    def discriminator_losses(
        self, scenes: Mapping[str, Scene], drawn: Mapping[str, Tensor], made: Made
    ) -> tuple[Losses, None]:
        """Eq. 4 of masks and its like of pictures, as the stage says."""
        losses: Losses = {}
        for batch in batches_of(scenes):
            terms = {}
            masks = None
            if self.stage.morphs:
                slots = batch.masks.shape[1]
                own = [padded(made["masks"][domain], slots) for domain in batch.domains]
                masks = torch.cat(own)
                terms["mask_D"] = self.mask_judge_loss(batch, masks)
            if "D_img" in self.stage.judges:
                images = torch.cat([made["images"][domain] for domain in batch.domains])
                terms["img_D"] = self.image_judge_loss(batch, drawn, images, masks)
            for name, values in terms.items():
                losses[name] = losses.get(name, 0) + values.sum() / len(scenes)
        return losses, None

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

    def image_judge_loss(
        self, batch: Batch, drawn: Mapping[str, Tensor], images: Tensor, masks: Tensor | None
    ) -> Tensor:
        """The hinge loss of D_img: pictures with their own maps against painted ones. [B]"""
        _, layout = self.own_layout(batch, drawn)
        painted_by = layout
        if masks is not None:
            painted_by = batch.layout(Binarised.apply(masks), batch.target, batch.removed()[1])
        judge = self.executions["D_img"]
        fake = score_loss(judge(images, painted_by), lambda x: hinge_discriminator(x, False))
        real = score_loss(judge(batch.scene.image, layout), lambda x: hinge_discriminator(x, True))
        return (fake + real) * batch.judged

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
        ground = batch.removed()
        painted = self.painted(batch, masks, batch.target, *ground)
        extras = {"background": ground[0], **painted.steps}
        if self.stage.supervised:
            extras["rebuilt"] = self.painted(batch, masks, batch.label, *ground).image
        return Translated(scene, [replace(fake, image=painted.image)], extras=extras)

    def painted(
        self, batch: Batch, masks: Tensor, label: Tensor, background: Tensor, hole: Tensor
    ) -> Painted:
        """Eq. 9, with the steps to it in [-1, 1]; nothing is drawn where there is no instance."""
        foreground, fusion = self.executions["G_img"](background, batch.layout(masks, label, hole))
        fusion = fusion * batch.judged[:, None, None, None]
        steps = {"foreground": foreground, "fusion": fusion * 2 - 1}
        return Painted(blended(foreground, fusion, background), steps)


def padded(masks: Tensor, slots: int) -> Tensor:
    """Masks [B, N, H, W] with empty ones up to `slots`."""
    return torch.nn.functional.pad(masks, (0, 0, 0, 0, 0, slots - masks.shape[1]))
