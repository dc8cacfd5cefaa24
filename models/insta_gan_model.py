"""InstaGAN: instance-aware image-to-image translation (Mo, Cho and Shin, ICLR 2019)."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from models.cycles import Cycle
from models.losses import context_loss
from models.sequential import Group, Translation, cut_groups
from models.unpaired import UnpairedModel
from models.unpaired_options import LOSSES, loss_names, panels


class InstaGANModel(UnpairedModel):
    """Images and the sets of their instance masks, translated together, a few at a time."""

    needs = frozenset({"masks"})
    tells_instances_apart = True
    loss_names = loss_names(LOSSES | {"ctx": "context loss"})
    panels = panels(LOSSES | {"ctx": "context loss"})
    architecture_options = (*UnpairedModel.architecture_options, "ins_per")

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

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        yield from super().option_problems(opt)
        if opt.ins_per < 1:
            yield f"--ins_per {opt.ins_per}: at least 1"
        if opt.ins_per > opt.ins_max and opt.is_train:
            yield (
                f"--ins_per {opt.ins_per} is larger than --ins_max {opt.ins_max}: lower the first "
                "or raise the second; equal, they translate all instances in one step"
            )

    @staticmethod
    def mask_slots(opt) -> tuple[int, int]:
        return min(opt.ins_per, opt.ins_max), opt.ins_max

    def cut(self, present: Mapping[str, Tensor]) -> list[Group]:
        return cut_groups(present, self.opt.ins_max, self.opt.ins_per)

    def content_losses(self, cycle: Cycle, moved: Translation, slots: int) -> dict[str, Tensor]:
        """Eq. 4-6."""
        weight = cycle.weight * self.opt.lambda_ctx
        context = {f"ctx_{cycle.letter}": weight * context_loss(moved.source, moved.fake)}
        return super().content_losses(cycle, moved, slots) | context
