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


def write_maps(root, **codes) -> str:
    """Photos and label maps by name; returns the command's words."""
    for folder in ("photos", "maps"):
        (root / folder).mkdir(exist_ok=True)
    for name, values in codes.items():
        picture(values.shape[0], values.shape[1]).save(root / f"photos/{name}.png")
        Image.fromarray(values).save(root / f"maps/{name}.png")
    return f"--imagesA {root}/photos --labelsA {root}/maps --save_root {root}/out --overwrite"


def test_every_value_in_a_range_is_an_instance_of_its_own(tmp_path, capsys):
    codes = np.zeros((40, 40), np.uint16)
    codes[5:15, 5:15], codes[20:35, 5:15], codes[5:15, 25:35] = 26001, 26002, 24000
    codes[30:38, 30:38] = 7
    codes[2:4, 36:39] = 26001  # a part of the first that does not touch it
    words = write_maps(tmp_path, a=codes)
    call(generate_masks_dataset, f"{words} --cat1 26000-26999 --cat2 24000-24999,24")
    masks = read_set(tmp_path / "out", "trainA", "a")
    assert np.array_equal(masks, [codes == 26001, codes == 26002])
    assert np.array_equal(read_set(tmp_path / "out", "trainB", "a"), [codes == 24000])
    said = capsys.readouterr().out
    assert "no map has 24" in said and "4 read, 3 written; left out: 1 of other cat" in said
    call(generate_masks_dataset, f"{words} --cat1 26000-26999 --cat2 7 --split_components")
    assert len(read_set(tmp_path / "out", "trainA", "a")) == 3
    for wrong, said in (
        ("--cat1 1-5 --cat2 7", ("--cat1 1-5", "24000")),
        ("--cat1 7-26001 --cat2 24000", ("24000 is in both",)),
        ("--cat1 seven --cat2 7", ("--cat1 seven", "10-19")),
        ("--cat1 9-3 --cat2 7", ("--cat1 9-3", "smaller end")),
    ):
        fails(capsys, generate_masks_dataset, f"{words} {wrong}", *said)
    Image.fromarray(codes.astype(np.float32) / 2).save(tmp_path / "maps/a.tif")
    (tmp_path / "maps/a.png").rename(tmp_path / "a.png")
    fails(capsys, generate_masks_dataset, f"{words} --cat1 7 --cat2 9", "a.tif", "fractions")
    (tmp_path / "maps/a.tif").unlink()
    (tmp_path / "a.png").rename(tmp_path / "maps/a.png")
    call(generate_masks_dataset, f"{words} --cat1 26001 --cat2 7 --background 0,20000-25000")
    assert "3 read" not in capsys.readouterr().out


def test_two_files_of_one_name_are_refused(tmp_path, capsys):
    codes = np.zeros((20, 24), np.uint8)
    codes[2:8, 2:8], codes[10:15, 2:8] = 7, 9
    words = f"{write_maps(tmp_path, a=codes)} --cat1 7 --cat2 9"
    call(generate_masks_dataset, words)
    for folder in ("photos", "maps"):
        twin = tmp_path / folder / "a.tif"
        picture(20, 24, 1).save(twin)
        fails(capsys, generate_masks_dataset, words, f"{folder}/a.png", f"{folder}/a.tif")
        twin.unlink()


def test_values_that_may_be_no_object_are_named(tmp_path, capsys):
    around, rim = np.full((20, 24), 255, np.uint8), np.zeros((20, 24), np.uint8)
    around[5:10, 5:10], rim[4:11, 4:11], rim[5:10, 5:10] = 1, 255, 1
    words = write_maps(tmp_path, around=around, rim=rim)
    (tmp_path / "photosB").mkdir()
    (tmp_path / "mapsB").mkdir()
    picture(20, 24).save(tmp_path / "photosB/b.png")
    Image.fromarray((rim == 1).astype(np.uint8)).save(tmp_path / "mapsB/b.png")
    words += f" --imagesB {tmp_path}/photosB --labelsB {tmp_path}/mapsB"
    call(generate_masks_dataset, words)
    said = capsys.readouterr().out
    assert "value 255 touches all four borders" in said and "trainA/around first" in said
    assert "value 255 often marks no object" in said and "trainA/rim first" in said
    assert said.count("--background 0,255 leaves it out") == 2
    call(generate_masks_dataset, f"{words} --background 0,255")
    assert "leaves it out" not in capsys.readouterr().out
    assert len(read_set(tmp_path / "out", "trainA", "rim")) == 1


def test_smoothed_maps_are_named(tmp_path, capsys):
    colors = np.zeros((20, 24, 3), np.uint8)
    colors[4:16, 4:18] = (255, 0, 0)
    sharp = Image.fromarray(colors).resize((48, 40), Image.NEAREST)
    smooth = Image.fromarray(colors).resize((48, 40), Image.BILINEAR)
    for kind, map_, told in (("sharp", sharp, 0), ("smooth", smooth, 1)):
        root = tmp_path / kind
        root.mkdir()
        words = write_maps(root, a=np.asarray(map_))
        words += f" --imagesB {root}/photosB --labelsB {root}/mapsB"
        (root / "photos").rename(root / "photosB")
        (root / "maps").rename(root / "mapsB")
        write_maps(root, a=(np.asarray(sharp)[..., 0] > 0).astype(np.uint8))
        call(generate_masks_dataset, words)
        assert capsys.readouterr().out.count("as if it had been smoothed") == told, kind
