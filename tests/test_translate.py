"""translate.py and the Translator of Python: any picture, by any model."""

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation

import test as test_command
import train
import translate
from conftest import refused
from data.pictures import read_image
from examples import translate_from_python
from metrics.detection import Detections
from models import find_model, names
from translation import Translator, memory
from translation.inputs import as_image, as_masks
from translation.sources import sources_of
from util.errors import UserError

SHORT = "--niter 1 --niter_decay 0 --no_html --print_freq 100"


@pytest.fixture
def picture(shapes) -> Path:
    return shapes / "testA/00000.png"


@pytest.fixture
def masks(shapes) -> list[Path]:
    return sorted((shapes / "testA_seg").glob("00000_*.png"))


@pytest.fixture
def call(monkeypatch):
    """Calls translate.py, on the CPU."""
    return lambda words: translate.main(["--gpu_ids", "-1", *map(str, words.split())])


@pytest.fixture
def trained(run):
    """A tiny InstaGAN `r` that pastes its translations, and a mask predictor `m`."""
    run(train.main, f"--name r --paste 0 {SHORT}")
    run(train.main, f"--name m --model mask_predictor {SHORT}")


def from_run(name: str = "r", **how) -> Translator:
    return Translator.from_run(f"checkpoints/{name}", gpu_ids="-1", **how)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


# ---- what comes out


def test_it_makes_of_a_picture_what_test_makes_of_it(trained, run, shapes, picture, masks):
    run(test_command.main, "--name r --keep_size")
    result = from_run()(picture, masks)
    images = Path("results/r/test_latest/images")
    assert np.array_equal(result.pictures[0], pixels(images / "00000_fake_B_img.png"))
    for number, mask in zip(result.numbers, result.masks, strict=True):
        assert np.array_equal(mask, pixels(images / f"00000_fake_B_mask_{number}.png") > 0)
    for i, step in enumerate(result.steps, 1):
        assert np.array_equal(step, pixels(images / f"00000_fake_B_step_{i}.png"))
    back = from_run(direction="BtoA")(shapes / "testB/00001.png", shapes.glob("testB_seg/00001_*"))
    assert np.array_equal(back.pictures[0], pixels(images / "00001_fake_A_img.png"))


def test_pictures_and_masks_come_in_any_form(trained, picture, masks):
    translator = from_run()
    expected = translator(picture, masks)
    array = pixels(picture)
    levels = np.stack([pixels(path) for path in masks])
    for image, own in (
        (str(picture), [str(path) for path in masks]),
        (Image.open(picture), [Image.open(path) for path in masks]),
        (array, levels),
        (array / 255, levels > 0),
        (torch.from_numpy(array.transpose(2, 0, 1).copy()), torch.from_numpy(levels)),
        (np.dstack([array, array[..., 0]]), list(levels / 255)),
    ):
        result = translator(image, own)
        assert np.array_equal(result.pictures[0], expected.pictures[0])
        assert np.array_equal(result.masks, expected.masks)


def test_a_batch_is_its_pictures_one_by_one(trained, shapes):
    paths = sorted((shapes / "testA").glob("*.png"))
    own = [sorted((shapes / "testA_seg").glob(f"{path.stem}_*.png")) for path in paths]
    translator = from_run()
    together = translator(paths, own, batch_size=3)
    for path, masks, result in zip(paths, own, together, strict=True):
        alone = translator(path, masks)
        difference = alone.pictures[0].astype(int) - result.pictures[0]
        assert abs(difference).max() <= 1
        assert result.numbers == alone.numbers


def test_a_larger_picture_keeps_its_size_and_what_did_not_change(trained, picture, masks):
    large = np.asarray(Image.open(picture).resize((131, 97)))
    own = [np.asarray(Image.open(path).resize((131, 97), Image.NEAREST)) for path in masks]
    result = from_run(size=48)(large, own)
    assert result.pictures[0].shape == large.shape and result.masks.shape[1:] == large.shape[:2]
    changed = (result.pictures[0] != large).any(-1)
    near = as_masks(own, large.shape[:2]).any(0) | result.masks.any(0)
    rows, columns = np.nonzero(near)
    outside = np.ones_like(near)
    outside[
        max(rows.min() - 16, 0) : rows.max() + 17, max(columns.min() - 16, 0) : columns.max() + 17
    ] = False
    assert changed.any() and not (changed & outside).any()


def test_a_notebook_shows_it_before_and_after(trained, picture, masks, tmp_path):
    result = from_run()(picture, masks)
    shown = Image.open(BytesIO(result._repr_png_()))
    assert shown.width > 2 * 100 and shown.height >= 100
    result.save(tmp_path / "new" / "out.jpg")
    assert Image.open(tmp_path / "new" / "out.jpg").size == (32, 32)
    assert result.picture.size == (32, 32) and result.direction == "AtoB"
    with pytest.raises(UserError, match=r"\.png"):
        result.save(tmp_path / "out.sheep")


def test_the_example_runs(trained, shapes, capsys):
    Path("checkpoints/r").rename("checkpoints/quickstart")
    Path("checkpoints/m").rename("checkpoints/quickstart_masks")
    translate_from_python.main(Path("out"), Path("checkpoints"), shapes / "testA")
    assert {path.name for path in Path("out").iterdir()} == {
        *("translated.png", "before_after.png", "own_mask.png")
    }
    assert capsys.readouterr().out.count(".png") == 4  # one, then the three of the folder


@pytest.mark.parametrize("model", names())
def test_every_model_translates_a_picture(run, shapes, picture, masks, model):
    """Alone and in a batch, as test.py does."""
    run(train.main, f"--name r --model {model} {SHORT}")
    how = {"n_styles": 3} if model == "init" else {}
    translator = from_run(**how)
    result = translator(picture, masks)
    assert len(result.pictures) == len(result.styles) == how.get("n_styles", 1)
    assert all(own.shape == (32, 32, 3) for own in result.pictures)
    kind = find_model(model)
    assert len(result.masks) == len(result.source_masks) == len(result.numbers)
    if not kind.finds_masks:
        union = kind.needs and not kind.tells_instances_apart
        assert len(result.masks) == (1 if union else len(masks))
        assert np.array_equal(result.source_masks.any(0), as_masks(masks, (32, 32)).any(0))
    both = [picture, shapes / "testA/00001.png"]
    own = [masks, sorted((shapes / "testA_seg").glob("00001_*.png"))]
    together = translator(both, own, batch_size=2)[0]
    for one, other in zip(result.pictures, together.pictures, strict=True):
        assert abs(one.astype(int) - other).max() <= 1
    words = "--n_styles 3" if model == "init" else ""
    ways = [way.name for way in kind.directions]
    run(test_command.main, f"--name r --keep_size --direction {ways[0]} {words}")
    for path in Path("results/r/test_latest/images").glob("00000_fake_*_img.png"):
        if "style" not in path.name:
            assert np.array_equal(result.pictures[0], pixels(path))


@pytest.mark.parametrize("words", ["--way BtoA", "--way AtoB --remake"])
def test_a_run_of_one_way_goes_that_way(run, shapes, words):
    train_words, _, remake = words.partition(" --")
    run(train.main, f"--name d --model da_gan {train_words} {SHORT}")
    result = from_run("d", **({"remake": True} if remake else {}))(shapes / "testB/00000.png")
    assert result.direction == ("BtoB" if remake else "BtoA")


def test_a_mask_predictor_finds_masks_and_translates_nothing(trained, picture, call, capsys):
    result = from_run("m")(picture)
    assert np.array_equal(result.pictures[0], pixels(picture))
    found = from_run(masks="auto:m").finder([pixels(picture)])[0]
    assert np.array_equal(result.masks, found)
    call(f"--name m {picture}")
    assert f"{len(found)} instance" in capsys.readouterr().out


def test_photos_are_turned_with_their_masks(trained):
    """As a camera stores them, with an EXIF turn; masks as they are shown, or as they are stored."""
    generator = np.random.default_rng(0)
    shown = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[3:12, 5:29] = True
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    Image.fromarray(np.rot90(shown)).save("photo.png", exif=exif)
    Image.fromarray(mask).save("shown_0.png")
    Image.fromarray(np.rot90(mask).copy()).save("stored_0.png")
    expected = from_run()(shown, mask[None])
    for how, name in (({}, "shown_0.png"), ({"exif": "stored"}, "stored_0.png")):
        result = from_run(**how)("photo.png", [name])
        assert np.array_equal(result.source_masks, expected.source_masks), name
        assert np.array_equal(result.pictures[0], expected.pictures[0])


# ---- where masks come from


def test_no_instance_leaves_the_picture_as_it_is(trained, picture, call, capsys):
    translator = from_run()
    nothing = np.zeros((2, 32, 32), bool)
    for masks in (nothing, nothing[:0]):
        result = translator(picture, masks)
        assert not result.numbers
        assert np.array_equal(result.pictures[0], pixels(picture))
    translator.finder = lambda images: [nothing[:0] for _ in images]
    assert np.array_equal(translator(picture).pictures[0], pixels(picture))
    Image.new("L", (32, 32)).save("black.png")
    call(f"--name r {picture} --masks black.png")
    assert "no instance found, the picture is as it was" in capsys.readouterr().out
    assert np.array_equal(pixels("translated/00000.png"), pixels(picture))


def test_masks_are_found_by_a_trained_predictor(trained, picture, masks, monkeypatch, capsys, call):
    there = as_masks(masks, (32, 32))
    translator = from_run(masks="auto:m")
    found = translator.finder([pixels(picture)])
    assert found[0].dtype == bool and found[0].shape[1:] == (32, 32)
    monkeypatch.setattr(
        "translation.finders.PredictedMasks.__call__", lambda self, images: [there for _ in images]
    )
    expected = from_run()(picture, there)
    assert np.array_equal(translator(picture).pictures[0], expected.pictures[0])
    call(f"--name r {picture} --masks auto:m --out out")
    assert np.array_equal(pixels("out/00000.png"), expected.pictures[0])
    call(f"--name r --masks auto:m {picture} --out behind")  # a picture may stand behind it
    assert np.array_equal(pixels("behind/00000.png"), expected.pictures[0])


def test_masks_are_found_by_mask_rcnn(trained, picture, masks, monkeypatch):
    """Sure ones alone. The network itself is tested with the other yardsticks."""
    there = as_masks(masks, (32, 32))
    two = Detections(np.concatenate([there[:1], ~there[:1]]), np.array([0.9, 0.3]))
    monkeypatch.setattr("metrics.detectors.MaskRCNN.__init__", lambda *_: None)
    monkeypatch.setattr("metrics.detectors.MaskRCNN.find", lambda *_: [two])
    result = from_run(masks="maskrcnn:sheep")(picture)
    assert np.array_equal(result.source_masks, there[:1])


def test_a_picture_much_larger_than_those_of_the_training_is_told(trained, picture, call, capsys):
    Image.open(picture).resize((80, 50)).save("large.png")
    call("--name r large.png --box 1,1,30,30")
    assert "large.png is 80x50, and the run was trained at 32x32: --size 48" in (
        capsys.readouterr().out
    )
    call("--name r large.png --box 1,1,30,30 --size 48")
    assert "trained at" not in capsys.readouterr().out


def test_more_instances_than_the_run_takes_are_told(trained, picture, call, capsys):
    call(f"--name r {picture} --ins_max 1 --box 1,1,9,9 --box 12,12,30,30")
    assert "1 instance translated, A to B; 1 stay, beyond --ins_max 1" in capsys.readouterr().out


# ---- the command


def test_files_and_folders_with_masks_and_boxes(trained, shapes, picture, call, capsys):
    call(f"--name r {shapes}/testA --masks {shapes}/testA_seg --out all --everything")
    told = capsys.readouterr().out
    written = {path.name for path in Path("all").iterdir()}
    for stem in ("00000", "00001", "00002"):
        assert {f"{stem}.png", f"{stem}_before_after.png", f"{stem}_mask_0.png"} <= written
        assert f"{stem}.png: " in told
    call(f"--name r {picture} --box 4,5,20,22 --out box --everything")
    changed = (pixels("box/00000.png") != pixels(picture)).any(-1)
    mask = pixels("box/00000_source_mask_0.png")
    assert mask.sum() == 16 * 17 and mask[5:22, 4:20].all()
    allowed = binary_dilation(mask | pixels("box/00000_mask_0.png"), iterations=2)
    assert changed.any() and not (changed & ~allowed).any()


def test_names_of_results_differ(shapes, tmp_path):
    found = sources_of([f"{shapes}/testA", f"{shapes}/testB/00000.png"])
    assert [own.name for own in found] == ["00000", "00001", "00002", "00000_2"]
    for name in ("a/x.png", "a/x.jpg", "b/x.png", "b/x_2.png", "b/.y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [own.name for own in sources_of([str(tmp_path)])]
    assert len(names) == len({*names}) == 4


def test_masks_in_folders_belong_to_the_pictures_of_theirs(shapes, tmp_path):
    for folder in ("one", "two"):
        for name in (
            f"photos/{folder}/x.png",
            f"masks/{folder}/x_3.png",
            f"masks/{folder}/x_1.png",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    for source in sources_of([f"{tmp_path}/photos"], [f"{tmp_path}/masks"]):
        assert {path.parent.name for path in source.masks} == {source.path.parent.name}
        assert source.numbers == (1, 3)


def test_nothing_that_is_read_is_written_over(trained, picture, masks, call, capsys):
    for source in (picture, *masks):
        shutil.copy(source, source.name)
    before = Path("00000.png").read_bytes()
    own = " ".join(path.name for path in masks)
    for words in ("00000.png --box 1,1,9,9 --out .", f"{picture} --masks {own} --out ."):
        refused(capsys, lambda words=words: call(f"--name r {words}"), "--out .", "overwritten")
    assert Path("00000.png").read_bytes() == before


def test_instances_are_chosen_by_the_numbers_of_their_masks(trained, picture, call, capsys):
    for number, column in ((0, 2), (2, 18)):
        mask = np.zeros((32, 32), np.uint8)
        mask[4:16, column : column + 10] = 255
        Image.fromarray(mask).save(f"p_{number}.png")
    call(f"--name r {picture} --masks p_0.png p_2.png --instances 2 --everything")
    assert "1 instance translated" in capsys.readouterr().out
    assert np.array_equal(pixels("translated/00000_source_mask_2.png"), pixels("p_2.png") > 127)
    call(f"--name r {picture} --masks p_0.png p_2.png --instances 1 --out none")
    assert "no instance of --instances 1" in capsys.readouterr().out
    assert np.array_equal(pixels("none/00000.png"), pixels(picture))


def test_whole_pictures_need_no_masks(run, picture, call, capsys):
    run(train.main, f"--name c --model cycle_gan {SHORT}")
    call(f"--name c {picture} --box 1,1,9,9")
    told = capsys.readouterr().out
    assert "looks at no masks" in told and "translated, A to B" in told


def test_wrong_calls_are_one_line(trained, shapes, picture, call, capsys, tmp_path):
    small = tmp_path / "small_0.png"
    Image.new("L", (8, 8), 255).save(small)
    Path("text.png").write_text("no picture")
    for words, *told in (
        ("--name r", "name pictures"),
        (f"--name r {picture}", "--masks", "auto:RUN", "--box"),
        ("--name r nowhere.png --box 1,1,2,2", "nowhere.png"),
        ("--name r text.png --box 1,1,2,2", "text.png"),
        (f"--name nothing {picture} --box 1,1,2,2", "nothing"),
        (f"--name r {picture} --masks {small}", "small_0.png is 8x8", "32x32"),
        (f"--name r {picture} --masks auto:none", "auto:none"),
        (f"--name r {picture} --masks auto:r", "mask_predictor"),
        (f"--name r {picture} --masks maskrcnn:sheeep", "did you mean sheep"),
        (f"--name r {picture} --masks nowhere.png", "nowhere.png"),
        (f"--name r {shapes}/testA --masks {small}", "00000_0.png"),
        (f"--name r {picture} --box 1,1,99,9", "--box 1,1,99,9", "32 pixels wide"),
        (f"--name r {picture} --box 9,1,2,9", "--box"),
        (f"--name r {picture} --box 1,1,9,9 --direction AtoC", "--direction AtoC", "AtoB"),
        (f"--name r {picture} --box 1,1,9,9 --dataroot x", "--dataroot", "test.py"),
        (f"--name r {picture} --box 1,1,9,9 --masks {small}", "exclude each other"),
        (f"--name r {picture} --box 1,1,9,9 --size 2", "--size 2"),
        (f"--name r {picture} --box 1,1,9,9 --smooth 1", "--smooth 1"),
        (f"--name r {picture} --box 1,1,9,9 --maskrcnn_weights x", "maskrcnn:CATEGORY"),
    ):
        refused(capsys, lambda words=words: call(words), *told)


def test_wrong_arrays_say_what_is_wrong(trained, picture):
    translator = from_run()
    image = pixels(picture)
    there = np.ones((1, 32, 32), bool)
    for wrong, masks, told in (
        (image.astype(float), there, "floats go from 0 to 1"),
        (image.astype(int) * 2, there, "0 to 255"),
        (image[None], there, "shape"),
        (image, np.ones((1, 8, 8), bool), "8x8"),
        (image / 255 * np.nan, there, "nan"),
        (3, there, "not int"),
        (image, [3], "not int"),
        (image[:0], there, "shape"),
        (image, None, "auto:RUN"),
    ):
        with pytest.raises(UserError, match=told):
            translator(wrong, masks)
    with pytest.raises(UserError, match="2 pictures and masks of 1"):
        translator([image, image], [None])
    line = translator(image[:1], np.ones((1, 1, 32), bool))
    assert line.pictures[0].shape == (1, 32, 3) and translator([], []) == []
    with pytest.raises(UserError, match="box"):
        from_run(box="1,1,2,2")
    with pytest.raises(UserError, match="unknown flag --sizes: did you mean --size"):
        from_run(sizes=3)
    with pytest.raises(UserError, match="AtoC"):
        from_run(direction="AtoC")


# ---- memory


def test_a_picture_that_does_not_fit_is_told_with_a_size_that_does(
    trained, call, capsys, monkeypatch
):
    Image.new("RGB", (12000, 100)).save("wide.png")
    monkeypatch.setattr(memory, "bytes_free", lambda device: 50e6)
    refused(
        capsys, lambda: call("--name r wide.png --box 1,1,90,90"), "12000x100", "--size", "50 MB"
    )


def test_the_estimate_grows_with_the_picture(trained, masks, picture):
    translator = from_run()
    image, own = as_image(picture), as_masks(masks, (32, 32))
    needed = []
    for times in (8, 16):
        large = np.tile(image, (times, times, 1)), np.tile(own, (1, times, times))
        batch = translator.scene(*large, "x")
        needed.append(memory.bytes_needed(translator.run, batch, translator.way))
    assert 3.5 < needed[1] / needed[0] < 4.5


def test_grey_runs_take_coloured_pictures(run, picture, masks):
    run(train.main, f"--name g --input_nc 1 --output_nc 1 {SHORT}")
    result = from_run("g")(picture, masks)
    assert result.pictures[0].shape == (32, 32, 1) and result.picture.mode == "L"
    assert np.array_equal(result.source[..., 0], read_image(picture, 1)[0])
