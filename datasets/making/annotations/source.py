"""A folder of annotated pictures, in any of these formats, as a source of a dataset."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from datasets.making.annotations import boxes, coco, labelme, via, voc, yolo
from datasets.making.annotations.document import (
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    keep_wanted,
)
from datasets.making.annotations.finder import PictureFinder
from datasets.making.annotations.regions import Rectangle
from datasets.making.annotations.splits import SPLITS
from datasets.making.categories import categories, split_names
from datasets.making.photos import Photo, read_photo
from datasets.making.sources import NO_PIXEL, Annotated, Listing, Source, Task, center_crop, resize
from util.errors import UserError

FORMATS = {"coco": coco, "labelme": labelme, "via": via, "yolo": yolo, "voc": voc}
HEADS, HEAD = 20, 1 << 16  # JSON files, and bytes of each, that a format is told by


class AnnotatedFolder(Source):
    """Annotations and their pictures below `args.data_root`; the format by name, or `auto`."""

    def __init__(self, args, form: str = "auto"):
        self.args = args
        self.root = Path(args.data_root)
        if not self.root.is_dir():
            raise UserError(
                f"--data_root {self.root}: there is no such folder; name that of the annotations "
                "(those of COCO are fetched by datasets/download_coco.sh)"
            )
        if args.images and not Path(args.images).is_dir():
            raise UserError(f"--images {args.images}: there is no such folder")
        typed = [path for _, path in self.typed_files()]
        self.form = recognise(self.root, typed) if form == "auto" else form
        self.title = FORMATS[self.form].TITLE

    def listing(self) -> Listing:
        typed = (self.args.cat1, self.args.cat2)
        wanted = {name for words in typed for name in (*split_names(words), words) if name}
        crowds = self.args.crowd == "keep"
        documents = FORMATS[self.form].read(
            Request(self.root, tuple(self.typed_files()), frozenset(wanted), crowds)
        )
        known = sorted({name for document in documents for name in document.categories})
        chosen = categories(self.args, known)
        domains = {name: domain for domain, names in chosen.items() for name in names}
        tasks = [task for document in documents for task in self.tasks_of(document, domains)]
        tell_of_shared(tasks)
        left_out: Counter[tuple[str, str]] = Counter()
        for document in documents:
            for (category, reason), count in document.left_out.items():
                left_out[domains.get(category, ""), reason] += count
        return Listing(tasks, sum(document.read for document in documents), left_out)

    def typed_files(self) -> Iterator[tuple[str, Path]]:
        for words in self.args.annotations or []:
            split, _, name = words.rpartition("=")
            if not re.fullmatch(r"\w*", split):
                raise UserError(f"--annotations {words}: the split is a word, such as val")
            yield SPLITS.get(split.lower(), split), self.root / name

    def tasks_of(self, document: Document, domains: dict[str, str]) -> list[Task]:
        """One task per picture and domain whose categories are annotated in it."""
        keep_wanted(document, domains.keys())
        used = [picture for picture in document.pictures if picture.instances]
        files = find_pictures(used, self.finder(document, used), document)
        tasks = []
        for picture, path in zip(used, files, strict=True):
            found = defaultdict(list)
            for instance in picture.instances:
                found[domains[instance.category]].append(instance)
            for domain, instances in sorted(found.items()):
                name, annotation = safe_name(picture.key), (picture.size, tuple(instances))
                tasks.append(
                    Task(document.split, domain, name, path, annotation, (), len(instances))
                )
        return tasks

    def finder(self, document: Document, used: list[AnnotatedPicture]) -> PictureFinder:
        """Of the folder where the pictures of a document lie.

        One that belongs to the document alone comes first. Of the others only one may have a
        picture of its names: which of two would be meant cannot be known.
        """
        if self.args.images:
            return PictureFinder(Path(self.args.images))
        names = [picture.file for picture in used[:100]]

        def holding(folders: list[Path]) -> list[PictureFinder]:
            finders = [PictureFinder(folder) for folder in folders]
            return [finder for finder in finders if any(map(finder.at, names))]

        if own := holding(document.folders):
            return own[0]
        shared = holding([self.root / "images", self.root])
        if len(shared) > 1:
            for name in names:
                if all(finder.at(name) for finder in shared):
                    raise UserError(
                        f"{name} is in {shared[0].folder} and in {shared[1].folder}: name the "
                        "folder of the pictures by --images"
                    )
        return shared[0] if len(shared) == 1 else PictureFinder(self.root)

    def read(self, task: Task) -> Annotated:
        return square(read_annotated(task, self.args), self.args.image_size)


def read_annotated(task: Task, args) -> Annotated:
    """A picture as large as it is, upright, with the masks of its instances that have a pixel.

    The task's annotation is the (height, width) that it was annotated at, or None, and instances.
    """
    size, instances = task.annotation
    photo = read_photo(task.picture, size, args.exif, args.rescale)
    masks, misfits = [], []
    for instance in instances:
        try:
            masks.append(instance.region.decode(photo.size, photo.annotated))
            misfits.append(beside_its_box(instance, masks[-1], photo))
        except (ValueError, TypeError, OverflowError) as error:
            raise UserError(
                f"{task.picture}: {instance.label} of it is neither polygons nor RLE "
                f"({error}): export the annotations again"
            ) from None
    named = [
        f"{instance.label} of {task.picture.name}: {wrong}"
        for instance, wrong in zip(instances, misfits, strict=True)
        if wrong
    ]
    found = Annotated(
        photo.pixels,
        np.stack(masks) if masks else np.zeros((0, *photo.size), bool),
        notes=photo.notes,
        compared=sum(wrong is not None for wrong in misfits),
        misfits=tuple(named),
    )
    return photo.upright(found.without_empty(NO_PIXEL))


def beside_its_box(instance: Instance, mask: np.ndarray, photo: Photo) -> str | None:
    """How a mask is not where its annotation's box is; see `boxes.misfit`.

    What has a box alone is where the picture is, or else that is told.
    """
    if isinstance(instance.region, Rectangle):
        return boxes.outside(instance.region, photo.annotated)
    if instance.box is None:
        return None
    if photo.size != photo.annotated:
        mask = instance.region.decode(photo.annotated, photo.annotated)
    return boxes.misfit(instance.region, mask, instance.box, photo.annotated)


def square(found: Annotated, side: int) -> Annotated:
    """The middle square, after the shorter side was scaled to `side` pixels."""
    return center_crop(shorter_side(found, side), (side, side))


def shorter_side(found: Annotated, side: int) -> Annotated:
    """Scaled so that the shorter side has `side` pixels."""
    height, width = found.image.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(height * scale)), max(side, round(width * scale)))
    return resize(found, size)


def tell_of_shared(tasks: list[Task]) -> None:
    """Say which pictures are in two splits: what is tested there was trained with."""
    splits = defaultdict(set)
    for task in tasks:
        splits[task.picture].add(task.split)
    if shared := sorted(path for path, found in splits.items() if len(found) > 1):
        names = " and ".join(sorted(splits[shared[0]]))
        print(f"note: {len(shared)} pictures are in {names} both, {shared[0]} first")


def safe_name(key: str) -> str:
    """A picture's key as a file name."""
    return re.sub(r"[^\w.-]", "_", key)


def find_pictures(
    pictures: list[AnnotatedPicture], finder: PictureFinder, document: Document
) -> list[Path]:
    """The file of each picture; where there is none, the path where one should be.

    Tells which were found by the end of their path. Raises UserError if two pictures are one file.
    """
    files: list[Path] = []
    owners: dict[Path, AnnotatedPicture] = {}
    guessed = []
    for picture in pictures:
        path, by_end = finder.find(picture.file)
        if path is None:
            files.append(finder.folder / PurePosixPath(picture.file.replace("\\", "/")).name)
            continue
        files.append(path)
        guessed += [f"{picture.file} is {path}"] if by_end else []
        if (other := owners.setdefault(path, picture)) is not picture:
            raise UserError(
                f"{document.path}: pictures {other.key} ({other.file}) and {picture.key} "
                f"({picture.file}) are both {path}, so the instances of one would be missing in "
                "the other: give the file one entry, or the two their own files"
            )
    if guessed:
        print(
            f"note: {document.path}: {len(guessed)} pictures are not where their annotations say "
            f"and were found below {finder.folder} by the end of their path: {guessed[0]}"
        )
    return files


def recognise(root: Path, typed: list[Path]) -> str:
    """The format of the annotations in a folder, which is told. Raises UserError if unknown."""
    paths = typed or list(islice(sorted(root.rglob("*.json")), HEADS))
    found = {form for path in paths if path.suffix == ".json" and (form := form_of(path))}
    if all((root / name).is_dir() for name in (voc.OBJECTS, voc.KINDS)):
        found.add("voc")
    if any((root / name).is_file() for name in yolo.NAMES) and yolo.label_files(root):
        found.add("yolo")
    if len(found) != 1:
        what = f"may be {' or '.join(sorted(found))}" if found else "is in no known format"
        raise UserError(f"--data_root {root} {what}: say which, --format {', '.join(FORMATS)}")
    form = found.pop()
    print(f"format: {FORMATS[form].TITLE}, by the files in {root} (see --format)")
    return form


def form_of(path: Path) -> str:
    """The format of a JSON file by the keys at its beginning, or ''."""
    with open(path, "rb") as file:
        keys = {*re.findall(r'"(\w+)"\s*:', file.read(HEAD).decode("utf-8", "replace"))}
    if "_via_img_metadata" in keys or {"filename", "regions"} <= keys:
        return "via"
    if "shapes" in keys or {"imagePath", "imageData"} & keys:
        return "labelme"
    return "coco" if keys & {"images", "annotations", "categories"} else ""
