"""Pictures with annotated boxes, a set of them for each domain, as a source of a dataset."""

import re
from collections import Counter
from pathlib import Path

from data.pictures import UnreadableError, list_pictures, read_header
from datasets.making.annotations import coco, init_lists, voc_boxes
from datasets.making.annotations.document import Document, Request, keep_wanted
from datasets.making.annotations.finder import PictureFinder
from datasets.making.annotations.source import (
    find_pictures,
    read_annotated,
    safe_name,
    shorter_side,
    tell_of_shared,
)
from datasets.making.annotations.splits import SPLITS
from datasets.making.categories import nearest_first, split_names
from datasets.making.photos import proportional
from datasets.making.sources import Annotated, Listing, Source, Task
from util.errors import UserError


class BoxedPictures(Source):
    """Pictures of two domains and their boxes, which are written as rectangular masks."""

    title = "boxes"
    misfits = (
        "boxes reach out of their pictures",
        "bring pictures and boxes to one size (--rescale does, where labels say the size)",
    )
    bare = True

    def __init__(self, args):
        self.args = args
        for domain in "AB":
            for flag in (f"images{domain}", f"labels{domain}"):
                if not getattr(args, flag):
                    raise UserError(f"--{flag} is missing: see --help")
            folder = Path(self.images(domain))
            if not folder.is_dir():
                raise UserError(f"--images{domain} {folder}: there is no such folder")

    def images(self, domain: str) -> str:
        return getattr(self.args, f"images{domain}")

    def wanted(self, domain: str) -> list[str]:
        """The typed classes of a domain; those of A are B's as well, if B has none of its own."""
        own = split_names(self.args.cat1 if domain == "A" else self.args.cat2)
        return own or split_names(self.args.cat1)

    def listing(self) -> Listing:
        tasks: list[Task] = []
        read, left_out = 0, Counter()
        for domain in "AB":
            documents = [self.document(path, x, domain) for x, path in self.labels(domain)]
            self.check(documents, domain)
            for document in documents:
                tasks += self.tasks_of(document, domain)
                read += document.read
                for (category, reason), count in document.left_out.items():
                    left_out[domain if category else "", reason] += count
            self.tell_of_unlisted(tasks, domain)
        tell_of_shared(tasks)
        return Listing(tasks, read, left_out)

    def labels(self, domain: str) -> list[tuple[str, Path]]:
        """The phases of a domain, and the file or folder of their boxes."""
        found = []
        for words in getattr(self.args, f"labels{domain}"):
            split, equals, name = words.partition("=")
            if not equals:
                split, name = "train", words
            if not re.fullmatch(r"\w+", split):
                raise UserError(f"--labels{domain} {words}: the phase is a word, such as test")
            if not Path(name).exists():
                raise UserError(f"--labels{domain} {name}: there is no such file or folder")
            found.append((SPLITS.get(split.lower(), split), Path(name)))
        return found

    def document(self, path: Path, split: str, domain: str) -> Document:
        """The boxes of one file or folder, whose format is told by its files."""
        wanted = frozenset(self.wanted(domain)) or None
        request = Request(path.parent, (), wanted, self.args.crowd == "keep", boxes=True, bare=True)
        if path.is_file():
            if path.suffix.lower() == ".json":
                return coco.CocoFile(path, f"--labels{domain}").document(split, request)
            return init_lists.read_list(path, split, request)
        if any(path.rglob("*.xml")):
            return voc_boxes.read(path, split, request)
        if any(path.rglob("*.txt")):
            return init_lists.read_texts(path, split, request)
        raise UserError(
            f"--labels{domain} {path}: no .xml and no .txt in it; name the folder of Pascal VOC's "
            "Annotations or of INIT's texts, a list of boxes, or a .json in COCO's format"
        )

    def check(self, documents: list[Document], domain: str) -> None:
        """Refuse classes that no box has, and a domain without a box to train on."""
        known = sorted({name for document in documents for name in document.categories})
        wanted = self.wanted(domain)
        flag = "cat1" if domain == "A" or not split_names(self.args.cat2) else "cat2"
        for name in wanted:
            if name not in known:
                near = ", ".join(nearest_first(name, known)) or "none"
                raise UserError(
                    f"--{flag} {name}: no box of {domain} has this class; known, the nearest "
                    f"first: {near}"
                )
        for document in documents:
            keep_wanted(document, wanted or known)
        trained = [document for document in documents if document.split == "train"]
        if not any(picture.instances for document in trained for picture in document.pictures):
            path = ", ".join(str(document.path) for document in trained) or "nothing"
            raise UserError(
                f"--labels{domain} {path}: no box to train on, so INIT would learn nothing of "
                f"objects of {domain}; look at the labels, or at --{flag}"
            )

    def tasks_of(self, document: Document, domain: str) -> list[Task]:
        """One task per picture, those without a box as well."""
        finder = PictureFinder(Path(self.images(domain)), f"--images{domain}")
        files = find_pictures(document.pictures, finder, document)
        return [
            Task(
                document.split,
                domain,
                safe_name(picture.key),
                path,
                (oriented(picture.size, path), tuple(picture.instances)),
                (),
                len(picture.instances),
            )
            for picture, path in zip(document.pictures, files, strict=True)
        ]

    def tell_of_unlisted(self, tasks: list[Task], domain: str) -> None:
        """How many pictures no label names: some tools write nothing of one without a box."""
        folder = Path(self.images(domain))
        named = {task.picture for task in tasks if task.domain == domain}
        rest = [name for name in list_pictures(folder).values() if folder / name not in named]
        if rest:
            print(
                f"note: {len(rest)} pictures in {folder} are in no labels of {domain}, {rest[0]} "
                "first; left out"
            )

    def read(self, task: Task) -> Annotated:
        found = read_annotated(task, self.args)
        return shorter_side(found, self.args.image_size) if self.args.image_size else found


def oriented(size: tuple[int, int] | None, path: Path) -> tuple[int, int] | None:
    """The (height, width) that labels say, or the other way round where only that is like the file.

    Lists of INIT's pictures do not say which of the two stands first.
    """
    try:
        own = read_header(path).size if size and path.is_file() else size
    except UnreadableError:  # which is said when the picture is read
        return size
    if size and not proportional(size, own) and proportional(size[::-1], own):
        return size[::-1]
    return size
