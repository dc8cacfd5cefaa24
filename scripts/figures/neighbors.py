"""Nearest training masks in the L2 norm (paper, appendices G and H)."""

import argparse

import numpy as np

from data import create_dataset
from scripts.figures.common import masks_of, pixels_of
from util.errors import UserError


class TrainingMasks:
    """All instance masks of a domain's training pictures, at the size that is translated."""

    def __init__(self, opt, domain: str, phase: str = "train"):
        changed = {"phase": phase, "instances": None, "ins_max": 10**6}
        self.scenes = create_dataset(argparse.Namespace(**vars(opt) | changed)).domain(domain)
        masks, self.owners = [], []
        for i in range(len(self.scenes)):
            own = masks_of(self.scenes[i])
            masks += own
            self.owners += [i] * len(own)
        if not masks:
            raise UserError(f"{opt.dataroot}/{phase}{domain} has no masks")
        if len({mask.shape for mask in masks}) > 1:
            raise UserError("nearest masks need one size for all pictures: leave out --keep_size")
        self.masks = np.stack(masks)

    def nearest(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mask that differs from this one in the fewest pixels, and its picture."""
        place = int((self.masks ^ mask).sum((1, 2)).argmin())
        return self.masks[place], pixels_of(self.scenes[self.owners[place]].image)
