"""InstaGAN: instance-aware image-to-image translation (Mo, Cho and Shin, ICLR 2019)."""

from collections.abc import Mapping

from torch import Tensor

from models.direction import Direction
from models.losses import context_loss
from models.sequential import Group, Translation, cut_groups
from models.unpaired import UnpairedModel


class InstaGANModel(UnpairedModel):
    """Images and the sets of their instance masks, translated together, a few at a time."""

    needs_masks = True
    loss_names = tuple(f"{kind}_{x}" for x in "AB" for kind in ("D", "G", "cyc", "idt", "ctx"))

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        UnpairedModel.modify_commandline_options(parser, is_train)
        parser.group("instances").add_argument(
            "--ins_per",
            type=int,
            default=2,
            help="instances translated at once, the paper's mini-batch; as many as --ins_max: "
            "one step",
        )
        if is_train:
            parser.group("losses").add_argument(
                "--lambda_ctx",
                type=float,
                default=1.0,
                help="weight of the context loss (Eq. 6), a factor on lambda_A and lambda_B",
            )
        return parser

    @staticmethod
    def mask_slots(opt) -> tuple[int, int]:
        return min(opt.ins_per, opt.ins_max), opt.ins_max

    def cut(self, present: Mapping[str, Tensor]) -> list[Group]:
        return cut_groups(present, self.opt.ins_max, self.opt.ins_per)

    def content_losses(
        self, direction: Direction, moved: Translation, slots: int
    ) -> dict[str, Tensor]:
        """Eq. 4-6."""
        weight = direction.content_weight * self.opt.lambda_ctx
        context = {f"ctx_{direction.letter}": weight * context_loss(moved.source, moved.fake)}
        return super().content_losses(direction, moved, slots) | context
