"""What `translate.py` is asked to translate: files and folders, with the masks of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from data.pictures import SUFFIXES, is_picture, list_files, stem_of
from data.scene_folder import split_mask_stem
from util.errors import UserError

VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif"}


@dataclass(frozen=True)
class Source:
    """A file to translate, and the name of its results.

    stem     what names of its masks begin with: that of its path below the folder it was found in
    masks    files, or None if masks are to be found
    numbers  of the masks, in their names or else as they were typed
    """

    path: Path
    name: str
    stem: str
    masks: tuple[Path, ...] | None = None
    numbers: tuple[int, ...] = ()

    @property
    def is_video(self) -> bool:
        return is_video(self.path.name)

    def is_written_as(self, path: Path, out: Path) -> bool:
        """Whether a result of it in the folder `out` may have this path."""
        if path.parent.resolve() != out.resolve() or path.suffix not in (".png", ".mp4"):
            return False
        return path.stem == self.name or path.stem.startswith(f"{self.name}_")


def sources_of(words: Sequence[str], masks: Sequence[str] = ()) -> list[Source]:
    """Files and folders as sources, each with a name of its own.

    masks are files or folders; of a single picture all files are its masks, of several each mask is
    the one's whose name it begins with. Raises UserError for what is not there.
    """
    found = [own for word in words for own in files_of(Path(word))]
    if not found:
        raise UserError("name pictures, folders or videos to translate")
    names: list[str] = []
    for path, _ in found:
        further = (f"{path.stem}_{number}" for number in count(2))
        free = (name for name in chain([path.stem], further) if name not in names)
        names.append(next(free))
    sources = [Source(path, name, stem) for (path, stem), name in zip(found, names, strict=True)]
    return with_masks(sources, masks) if masks else sources


def is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEOS


def files_of(path: Path) -> Iterator[tuple[Path, str]]:
    """A file, or the pictures and videos in a folder and below it, each with its stem there."""
    if path.is_dir():
        found = [name for name in list_files(path) if is_picture(name) or is_video(name)]
        if not found:
            raise UserError(f"{path}: no pictures in it; they end in {', '.join(sorted(SUFFIXES))}")
        yield from ((path / name, stem_of(name)) for name in found)
        return
    if not path.exists():
        raise UserError(f"{path}: there is no such file")
    if not (is_picture(path.name) or is_video(path.name)):
        known = ", ".join(sorted(SUFFIXES | VIDEOS))
        raise UserError(f"{path}: neither a picture nor a video; they end in {known}")
    yield path, stem_of(path.name)


def with_masks(sources: Sequence[Source], words: Sequence[str]) -> list[Source]:
    """Sources with the mask files that belong to them."""
    for word in words:
        if not Path(word).exists():
            raise UserError(
                f"--masks {word}: there is no such file or folder (auto:RUN and maskrcnn:CATEGORY "
                "find masks)"
            )
    if videos := [source.path for source in sources if source.is_video]:
        raise UserError(f"--masks: files mark no instances of a video, {videos[0]}: give auto:RUN")
    files = [own for word in words for own in files_of(Path(word))]
    split = [split_mask_stem(stem) for _, stem in files]
    if len(sources) == 1 and not any(Path(word).is_dir() for word in words):
        named = all(split) and len({own[1] for own in split}) == len(split)
        numbers = [own[1] for own in split] if named else range(len(files))
        return [replace(sources[0], masks=tuple(x for x, _ in files), numbers=tuple(numbers))]
    found: dict[str, dict[int, Path]] = {}
    for (path, _), own in zip(files, split, strict=True):
        if own:
            found.setdefault(own[0], {})[own[1]] = path
    return [matched(source, found, len(files)) for source in sources]


def matched(source: Source, found: dict[str, dict[int, Path]], files: int) -> Source:
    """A source with the masks of its stem, in the order of their numbers."""
    own = found.get(source.stem)
    if own is None:
        raise UserError(
            f"--masks: there is no {source.stem}_0.png for {source.path} among the {files} masks"
        )
    numbers = tuple(sorted(own))
    return replace(source, masks=tuple(own[number] for number in numbers), numbers=numbers)


def check_overwriting(sources: Sequence[Source], out: Path) -> None:
    """Raise UserError if a result would be written over a file that is read."""
    read = [path for source in sources for path in (source.path, *(source.masks or ()))]
    for path in read:
        if any(source.is_written_as(path, out) for source in sources):
            raise UserError(f"--out {out}: {path} would be overwritten: name another folder")
