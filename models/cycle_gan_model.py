"""CycleGAN (Zhu et al., ICCV 2017), the paper's baseline: pictures without their masks."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from data.scene import Scene
from models.sequential import Group, whole_pictures
from models.unpaired import UnpairedModel


class CycleGANModel(UnpairedModel):
    """Whole pictures, translated there and back; masks there may be are not looked at."""

    architecture_options = (*UnpairedModel.architecture_options, "double_params")

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        UnpairedModel.modify_commandline_options(parser, is_train)
        parser.group("networks").add_argument(
            "--double_params",
            action="store_true",
            help="widen the generators to twice their parameters, for a fair comparison (paper, 3)",
        )
        parser.set_defaults(netG="basic", netD="basic")
        return parser

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        yield from super().option_problems(opt)
        for flag in ("netG", "netD"):
            if getattr(opt, flag) == "set":
                yield f"--{flag} set: --model {opt.model} has no set of masks: leave it out"
        for flag in ("composite", "paste"):
            if not cls.needs and getattr(opt, flag, None) is not None:
                yield f"--{flag}: --model {opt.model} sees no masks: leave it out"

    def prepare(self, scene: Scene) -> Scene:
        return scene.slots(0, 0)

    def cut(self, present: Mapping[str, Tensor]) -> list[Group]:
        return whole_pictures(present)
