"""CycleGAN+Seg, the paper's other baseline: the union of all masks as one more channel."""

from collections.abc import Mapping

from torch import Tensor

from data.scene import Scene
from models.cycle_gan_model import CycleGANModel
from models.sequential import Group, cut_groups


class CycleGANSegModel(CycleGANModel):
    """Pictures and the unions of their masks, translated together: instances are not told apart."""

    needs = frozenset({"masks"})

    @staticmethod
    def mask_slots(opt) -> tuple[int, int]:
        return 1, 1

    def prepare(self, scene: Scene) -> Scene:
        return scene.merged()

    def cut(self, present: Mapping[str, Tensor]) -> list[Group]:
        return cut_groups(present, ins_max=1, ins_per=1)
