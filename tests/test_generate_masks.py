"""Label maps of instances and of classes."""

import numpy as np
from annotated import call, fails, picture, read_set
from PIL import Image

from datasets import generate_masks_dataset


def test_label_maps_of_instances(tmp_path):
    for domain in "AB":
        for folder in (f"photos{domain}", f"maps{domain}"):
            (tmp_path / folder).mkdir()
        picture(20, 24).save(tmp_path / f"photos{domain}/x.jpg")
    codes = np.zeros((20, 24), np.uint16)
    codes[2:8, 2:8], codes[10:15, 2:8], codes[10:15, 15:20] = 24001, 300, 300
    Image.fromarray(codes).save(tmp_path / "mapsA/x.png")
    colors = np.zeros((20, 24, 3), np.uint8)
    colors[3:9, 3:9] = (255, 128, 0)
    Image.fromarray(colors).save(tmp_path / "mapsB/x.png")
    words = " ".join(
        f"--images{d} {tmp_path}/photos{d} --labels{d} {tmp_path}/maps{d}" for d in "AB"
    )
    call(generate_masks_dataset, f"{words} --save_root {tmp_path / 'out'}")
    masks = read_set(tmp_path / "out", "trainA", "x")
    assert np.array_equal(masks, [codes == 300, codes == 24001])
    assert np.array_equal(read_set(tmp_path / "out", "trainB", "x")[0], colors.any(-1))
    call(generate_masks_dataset, f"{words} --save_root {tmp_path / 'split'} --split_components")
    assert len(read_set(tmp_path / "split", "trainA", "x")) == 3


def test_label_maps_of_classes(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "maps").mkdir()
    classes = np.zeros((20, 24), np.uint8)
    classes[2:8, 2:8] = classes[10:15, 2:8] = 7
    classes[10:15, 15:20] = 9
    for name in ("x", "y"):
        picture(20, 24).save(tmp_path / f"photos/{name}.png")
        palette = Image.fromarray(
            classes if name == "x" else np.where(classes == 9, 9, 0).astype("u1")
        )
        palette.putpalette([i // 3 for i in range(768)])
        palette.save(tmp_path / f"maps/{name}.png")
    words = f"--imagesA {tmp_path}/photos --labelsA {tmp_path}/maps --save_root {tmp_path / 'out'}"
    call(generate_masks_dataset, f"{words} --cat1 7 --cat2 9")
    assert len(read_set(tmp_path / "out", "trainA", "x")) == 2
    assert [p.stem for p in sorted((tmp_path / "out/trainB").iterdir())] == ["x", "y"]
    assert not (tmp_path / "out/trainA/y.png").exists()
    fails(
        capsys, generate_masks_dataset, f"{words} --overwrite --cat1 8 --cat2 9", "--cat1 8", "7, 9"
    )
    fails(capsys, generate_masks_dataset, f"{words} --overwrite", "--imagesB")
    (tmp_path / "maps/y.png").unlink()
    fails(capsys, generate_masks_dataset, f"{words} --overwrite --cat1 7 --cat2 9", "maps/y.png")


def test_label_maps_with_alpha_and_broken_ones(tmp_path, capsys):
    for folder in ("photos", "maps"):
        (tmp_path / folder).mkdir()
    words = f"--imagesA {tmp_path}/photos --labelsA {tmp_path}/maps --save_root {tmp_path / 'out'}"
    fails(capsys, generate_masks_dataset, f"{words} --cat1 7 --cat2 9", "photos: no pictures in it")
    labels = np.zeros((20, 24, 2), np.uint8)
    labels[..., 1], labels[2:8, 2:8, 0], labels[10:15, 2:8, 0] = 255, 7, 9
    for name in "xy":
        picture(20, 24).save(tmp_path / f"photos/{name}.png")
        Image.fromarray(labels).save(tmp_path / f"maps/{name}.png")
    (tmp_path / "maps/y.png").write_bytes((tmp_path / "maps/y.png").read_bytes()[:60])
    fails(capsys, generate_masks_dataset, f"{words} --cat1 7 --cat2 9", "y.png", "--missing skip")
    call(generate_masks_dataset, f"{words} --cat1 7 --cat2 9 --missing skip")
    assert np.array_equal(read_set(tmp_path / "out", "trainA", "x")[0], labels[..., 0] == 7)
    fails(capsys, generate_masks_dataset, f"{words} --background hello", "--background hello")
