"""The list of what `test.py` wrote into a folder of results."""

import json
from pathlib import Path

from util.errors import UserError


def read_listing(path: Path) -> dict | None:
    """What `test.py` wrote down of its results, if it made them."""
    if not path.is_file():
        return None
    try:
        listing = json.loads(path.read_text())
        missing = {"phase", "channels", "aspect_ratio", "preprocessing"} - listing["data"].keys()
        for picture in listing["pictures"]:
            missing |= {"name", "source", "files", "masks", "width"} - picture.keys()
        if missing:
            raise KeyError(*missing)
        return listing
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is no list of results: delete it, or translate anew") from None
