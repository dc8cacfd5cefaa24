"""Models and datasets found by name: `--model insta_gan` is in models/insta_gan_model.py."""

import importlib
from pathlib import Path

from util.errors import UserError, did_you_mean


def names_in(package: str, kind: str) -> list[str]:
    """Names of the files NAME_KIND.py in a package, without the base class."""
    folders = map(Path, importlib.import_module(package).__path__)
    found = (path for folder in folders for path in folder.glob(f"*_{kind}.py"))
    names = [path.stem.removesuffix(f"_{kind}") for path in found]
    return sorted(name for name in names if name != "base")


def find_class(package: str, kind: str, name: str, flag: str) -> type:
    """The class of NAME_KIND.py whose name is NAMEKIND but for underscores and case."""
    if name not in names_in(package, kind):
        raise UserError(
            f"{flag} {name}: there is none. {did_you_mean(name, names_in(package, kind))}"
        )
    module = importlib.import_module(f"{package}.{name}_{kind}")
    wanted = f"{name}_{kind}".replace("_", "").lower()
    for attribute, value in vars(module).items():
        if attribute.lower() == wanted:
            return value
    raise ImportError(f"{package}/{name}_{kind}.py must define a class named like {wanted}")
