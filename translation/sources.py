"""What `translate.py` is asked to translate: files and folders, with the masks of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.pictures import SUFFIXES, is_picture, list_pictures, stem_of
from data.scene_folder import split_mask_stem
from util.errors import UserError

VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif"}


@dataclass(frozen=True)
class Source:
    """A file to translate, and the name of its results; masks is None if they are to be found."""

    path: Path
    name: str
    masks: tuple[Path, ...] | None = None

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEOS


def sources_of(words: Sequence[str], masks: Sequence[str] = ()) -> list[Source]:
    """Files and folders as sources, each with a name of its own.

    masks are files or folders; of a single picture all files are its masks, of several each mask is
    the one's whose name it begins with. Raises UserError for what is not there.
    """
    paths = [path for word in words for path in files_of(Path(word))]
    if not paths:
        raise UserError("name pictures, folders or videos to translate")
    taken: dict[str, int] = {}
    sources = []
    for path in paths:
        count = taken[path.stem] = taken.get(path.stem, 0) + 1
        sources.append(Source(path, path.stem if count == 1 else f"{path.stem}_{count}"))
    return with_masks(sources, masks) if masks else sources


def files_of(path: Path) -> Iterator[Path]:
    """A file, or the pictures and videos in a folder and below it."""
    if path.is_dir():
        found = [path / name for name in list_pictures(path).values()]
        found += [own for own in path.iterdir() if own.suffix.lower() in VIDEOS]
        if not found:
            raise UserError(f"{path}: no pictures in it; they end in {', '.join(sorted(SUFFIXES))}")
        yield from sorted(found)
        return
    if not path.exists():
        raise UserError(f"{path}: there is no such file")
    if not is_picture(path.name) and path.suffix.lower() not in VIDEOS:
        known = ", ".join(sorted(SUFFIXES | VIDEOS))
        raise UserError(f"{path}: neither a picture nor a video; they end in {known}")
    yield path


def with_masks(sources: Sequence[Source], words: Sequence[str]) -> list[Source]:
    """Sources with the mask files that belong to them."""
    files = []
    for word in words:
        path = Path(word)
        if not path.exists():
            raise UserError(
                f"--masks {word}: there is no such file or folder (auto:RUN and maskrcnn:CATEGORY "
                "find masks)"
            )
        files += [path / n for n in list_pictures(path).values()] if path.is_dir() else [path]
    if videos := [source.path for source in sources if source.is_video]:
        raise UserError(f"--masks: files mark no instances of a video, {videos[0]}: give auto:RUN")
    if len(sources) == 1 and not any(Path(word).is_dir() for word in words):
        return [Source(sources[0].path, sources[0].name, tuple(files))]
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in files:
        if split := split_mask_stem(stem_of(path.name)):
            found.setdefault(split[0], []).append((split[1], path))
    for source in sources:
        if stem_of(source.path.name) not in found:
            raise UserError(
                f"--masks: there is no {source.path.stem}_0.png for {source.path} among the "
                f"{len(files)} masks"
            )
    own = {stem: tuple(path for _, path in sorted(masks)) for stem, masks in found.items()}
    return [Source(x.path, x.name, own[stem_of(x.path.name)]) for x in sources]
