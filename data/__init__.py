"""Datasets, found by name: a new one is `data/NAME_dataset.py` with a subclass of BaseDataset."""

from util.registry import find_class, names_in


def names() -> list[str]:
    """The dataset modes there are."""
    return names_in("data", "dataset")


def find_dataset(name: str) -> type:
    """The class of a dataset mode; a UserError lists the known ones."""
    return find_class("data", "dataset", name, "--dataset_mode")


def create_dataset(opt):
    """The dataset that the options name, its files found and checked."""
    return find_dataset(opt.dataset_mode)(opt)
