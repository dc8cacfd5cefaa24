"""Annotations of the same small pictures in the formats of other tools."""

import base64
import io
import json
from pathlib import Path

import numpy as np
from foreign import HEIGHT, WIDTH, A, B, C, photo, rectangle
from PIL import Image


def corners(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def photos(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        photo(seed).save(folder / name)


def words_for(root: Path, more: str = "") -> str:
    return (
        f"--data_root {root} --save_root {root}_out --image_size 40 --cat1 sheep --cat2 giraffe "
        f"--overwrite {more}"
    )


def png(mask: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shape(label: str, points: list, kind: str = "polygon", **more) -> dict:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None} | more


def write_labelme(folder: Path, stem: str, shapes: list, image: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imageData": None}
    contents |= {"imagePath": image or f"{stem}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH}
    (folder / f"{stem}.json").write_text(json.dumps(contents))


def region(points: tuple | None, attributes: dict, **shape) -> dict:
    if points:
        x, y = zip(*corners(*points), strict=True)
        shape = {"name": "polygon", "all_points_x": x, "all_points_y": y}
    return {"shape_attributes": shape, "region_attributes": attributes}


def yolo_line(kind: int, box: tuple) -> str:
    shares = [f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners(*box)]
    return f"{kind} {' '.join(shares)}\n"


COLORS = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 17: (128, 64, 0), 12: (64, 0, 128)}


RIM = (224, 224, 192)


def write_voc(root: Path, form: str) -> None:
    """Two sheep (class 17) in a, a dog (12) in b."""
    photos(root / "JPEGImages", "a.jpg", "b.jpg")
    for stem, boxes, kind in (("a", (A, C), 17), ("b", (B,), 12)):
        objects, classes = np.zeros((2, HEIGHT, WIDTH), np.uint8)
        for number, box in enumerate(boxes, 1):
            objects[rectangle(*box)], classes[rectangle(*box)] = number, kind
        objects[0], classes[0] = 255, 255  # void along the upper border
        for folder, codes in (("SegmentationObject", objects), ("SegmentationClass", classes)):
            (root / folder).mkdir(exist_ok=True)
            picture = Image.fromarray(codes)
            if form != "grey":
                colors = [COLORS.get(i, (0, 0, 0)) for i in range(255)] + [RIM]
                picture.putpalette([level for color in colors for level in color])
            picture = picture.convert("RGB") if form == "rgb" else picture
            picture.save(root / folder / f"{stem}.png")
