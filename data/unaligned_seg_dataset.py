"""Two folders of pictures with instance masks: InstaGAN's dataset."""

import torch

from data.extras import kinds_of
from data.inpainting import hole_of_some
from data.scene import Scene
from data.scene_cache import SceneCache
from data.scene_folder import SceneFolder, SceneListing, apply_policy
from data.transforms import make_scene, order_instances
from data.unaligned_dataset import UnalignedDataset
from util.errors import UserError


def numbers(text: str) -> list[int]:
    """`0,2` -> [0, 2]."""
    return [int(part) for part in text.split(",")]


class UnalignedSegDataset(UnalignedDataset):
    """`{phase}A/STEM.png` with `{phase}A_seg/STEM_0.png`, `STEM_1.png`, …; likewise B."""

    with_masks = True

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        UnalignedDataset.modify_commandline_options(parser, is_train)
        group = parser.group("instances")
        group.add_argument(
            "--ins_max", type=int, default=4, help="instances kept per picture, the largest"
        )
        group.add_argument(
            "--set_order",
            choices=("decreasing", "random", "given"),
            default="decreasing",
            help="order of translation: by decreasing area, shuffled, or as masks are numbered",
        )
        group.add_argument(
            "--no_mask",
            choices=("skip", "keep", "error"),
            default="skip",
            help="what becomes of pictures without a mask; of kept ones nothing is translated by "
            "models that translate instances",
        )
        group.add_argument(
            "--exif",
            choices=("shown", "stored"),
            help="how masks lie on photos with an EXIF turn whose size does not tell: on the "
            "photo as it is shown (the default, with a note), or as it is stored",
        )
        if is_train:
            parser.set_defaults(instances=None)
        else:
            group.add_argument(
                "--instances",
                type=numbers,
                metavar="N,N,…",
                help="translate only these, by the numbers in their masks' names (STEM_0, STEM_2)",
            )
        return parser

    def choose(self, files: SceneListing, domain: str) -> SceneListing:
        if not self.has_masks(self.opt.phase, domain):
            return files
        where = f"{self.opt.dataroot}/{self.opt.phase}{domain}"
        chosen, line = apply_policy(files, self.opt.no_mask, where)
        if line:
            print(f"note: {line}")
        wanted = self.opt.instances
        if wanted is not None and not any({*scene.numbers} & {*wanted} for scene in chosen):
            raise UserError(
                f"--instances {','.join(map(str, wanted))}: no picture in {where} has a mask of "
                "such a number"
            )
        return chosen

    def selection(self) -> list:
        return [*super().selection(), self.opt.no_mask]

    def read(
        self, source: SceneFolder | SceneCache, index: int, generator: torch.Generator
    ) -> Scene:
        """One picture with the masks that take part. Extras of the kind `others` are where those
        are that do not; a hole is that of those that do.
        """
        picture = source.read(index, generator)
        masks, numbers = self.order(picture.masks, picture.numbers, generator)
        kinds = kinds_of(self.opt)
        if not {"others", "hole"} & {*kinds.values()}:
            return make_scene(picture.image, masks, picture.name, numbers, picture.extras)
        left_out = [i for i, number in enumerate(picture.numbers) if number not in numbers]
        others = picture.masks[left_out].any(0)  # nowhere, if there are none
        extras = {**picture.extras}
        for name, kind in kinds.items():
            if kind == "others":
                extras[name] = others[None]
            elif kind == "hole":
                hole = hole_of_some(*(x.numpy() for x in (extras[name][0], masks.any(0), others)))
                extras[name] = torch.from_numpy(hole)[None]
        return make_scene(picture.image, masks, picture.name, numbers, extras)

    def order(self, masks: torch.Tensor, numbers: tuple[int, ...], generator: torch.Generator):
        """The instances that take part, in the order of their translation."""
        if self.opt.instances is not None:
            chosen = [i for i, number in enumerate(numbers) if number in self.opt.instances]
            masks, numbers = masks[chosen], tuple(numbers[i] for i in chosen)
        return order_instances(masks, numbers, self.opt.ins_max, self.opt.set_order, generator)
