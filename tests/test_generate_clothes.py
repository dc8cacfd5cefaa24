"""CCP and MHP: exact masks, splits, bad annotations."""

import json

import numpy as np
from annotated import REAL_CCP, call, fails, picture, read_set, real_data
from PIL import Image
from scipy.io import loadmat, savemat

from datasets import generate_ccp_dataset, generate_mhp_dataset
from datasets.making.report import inspect


def test_ccp_in_miniature(ccp, tmp_path):
    out = tmp_path / "out"
    call(generate_ccp_dataset, f"--data_root {ccp} --save_root {out} --workers 1")
    assert {p.name for p in (out / "trainA").iterdir()} == {"0001.png", "0002.png"}
    assert {p.name for p in (out / "trainB").iterdir()} == {"0002.png", "0003.png"}
    assert [p.name for p in (out / "valB").iterdir()] == ["0005.png"]
    assert not (out / "valA").exists() and not (out / "valB_seg").exists()
    photo = np.asarray(Image.open(ccp / "photos/0002.jpg"))
    assert np.array_equal(np.asarray(Image.open(out / "trainA/0002.png")), photo)
    truth = loadmat(ccp / "annotations/pixel-level/0002.mat")["groundtruth"]
    assert np.array_equal(read_set(out, "trainB", "0002")[0], truth == 2)
    manifest = json.loads((out / "dataset.json").read_text())
    assert manifest["splits"]["trainA"]["instances"] == 2
    assert manifest["splits"]["valB"] | {"area_quantiles": {}} == {
        "pictures": 1,
        "instances": 0,
        "masks": False,
        "area_quantiles": {},
    }
    assert inspect(out, 1).problems == []  # val is known to have no masks


def test_parts_and_several_categories(ccp, tmp_path):
    words = f"--data_root {ccp} --save_root {tmp_path / 'out'} --cat1 pants,hat --cat2 shorts"
    call(generate_ccp_dataset, words + " --split_components")
    assert read_set(tmp_path / "out", "trainA", "0001").sum((1, 2)).tolist() == [32, 40]
    assert (tmp_path / "out/trainA/0004.png").is_file()


def test_the_held_out_part_is_seeded_and_shared_by_both_domains(ccp, tmp_path):
    for index in range(1, 4):  # two more photos of each kind, so that half of them can be held out
        for number in range(3):
            new = f"{10 * index + number:04d}"
            for kind, suffix in (("photos", ".jpg"), ("annotations/pixel-level", ".mat")):
                (ccp / kind / f"{new}{suffix}").write_bytes(
                    (ccp / kind / f"{index:04d}{suffix}").read_bytes()
                )

    def stems(name, seed):
        out = tmp_path / name
        words = f"--data_root {ccp} --save_root {out} --test_fraction 0.5 --seed {seed}"
        call(generate_ccp_dataset, words + " --workers 1")
        found = [{p.stem for p in out.glob(f"{phase}?/*.png")} for phase in ("train", "test")]
        assert len(found[0]) == len(found[1]) == 6 and found[0].isdisjoint(found[1])
        return found

    assert stems("a", 0) == stems("b", 0) != stems("c", 1)


@real_data
def test_real_ccp_counts_and_masks(tmp_path):
    """Counts and ten masks against the annotations, read here anew."""
    words = f"--data_root {REAL_CCP} --save_root {tmp_path / 'out'} --cat1 pants --cat2 shorts"
    call(generate_ccp_dataset, words)
    names = [str(x[0]) for x in loadmat(REAL_CCP / "label_list.mat")["label_list"][0]]
    wanted = {"A": names.index("pants"), "B": names.index("shorts")}
    stems: dict[str, list[str]] = {"A": [], "B": []}
    for path in sorted((REAL_CCP / "annotations/pixel-level").glob("*.mat")):
        truth = loadmat(path)["groundtruth"]
        for domain, label in wanted.items():
            if (truth == label).any():
                stems[domain].append(path.stem)
    for domain, label in wanted.items():
        written = sorted(p.stem for p in (tmp_path / f"out/train{domain}").iterdir())
        assert written == stems[domain]
        for stem in written[:: len(written) // 4][:5]:
            truth = loadmat(REAL_CCP / f"annotations/pixel-level/{stem}.mat")["groundtruth"]
            assert np.array_equal(
                read_set(tmp_path / "out", f"train{domain}", stem), [truth == label]
            )
    for domain, label in wanted.items():
        tagged = [
            path.stem
            for path in sorted((REAL_CCP / "annotations/image-level").glob("*.mat"))
            if label in loadmat(path)["tags"]
        ]
        assert sorted(p.stem for p in (tmp_path / f"out/val{domain}").iterdir()) == tagged


def test_ccp_annotations_that_are_no_labels(ccp, tmp_path, capsys):
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0], cells[0, 1] = np.array([1]), np.array([2, 3])
    savemat(ccp / "annotations/pixel-level/0001.mat", {"groundtruth": cells})
    words = f"--data_root {ccp} --save_root {tmp_path / 'out'}"
    fails(capsys, generate_ccp_dataset, words, "0001.mat", "no labels")


def test_mhp_in_miniature(mhp, tmp_path, capsys):
    out = tmp_path / "out"
    words = (
        f"--data_root {mhp} --save_root {out} --size_h 45 --size_w 30 --cat1 pants --cat2 sunglass"
    )
    call(generate_mhp_dataset, words + " --workers 1")
    said = capsys.readouterr().out
    assert "1 pictures are wider than tall" in said and "read as far as it goes" in said
    assert {p.name for p in (out / "trainA").iterdir()} == {"1.png", "3.png"}
    assert read_set(out, "trainA", "1").shape == (2, 45, 30)  # one mask per person
    expected = np.zeros((45, 30), bool)
    expected[5:20, 15:22] = True
    found = read_set(out, "trainB", "1")
    assert found.shape[0] == 1 and np.logical_xor(found[0], expected).sum() <= 15
    assert read_set(out, "testA", "4").shape[0] == 2  # cut short, but read
    narrow = np.asarray(Image.open(out / "trainA/3.png"))
    assert narrow.shape == (45, 30, 3) and (narrow[:, 0] == narrow[:, 4]).all()
    call(generate_mhp_dataset, words + " --workers 1 --no_skip_horizontal --overwrite")
    assert (out / "trainA/22.png").is_file()


def test_mhp_needs_its_categories(mhp, tmp_path, capsys):
    root = f"--data_root {mhp} --save_root {tmp_path / 'out'}"
    fails(capsys, generate_mhp_dataset, root, "--cat1 is missing", "torso-skin")
    fails(capsys, generate_mhp_dataset, root + " --cat1 pant --cat2 hat", "nearest first: pants")
    (mhp / "annotations/3_02_02.png").unlink()
    Image.new("L", (5, 5)).save(mhp / "annotations/3_02_02.png")
    fails(capsys, generate_mhp_dataset, root + " --cat1 pants --cat2 hat", "3_02_02.png", "5x5")
    (mhp / "train_list.txt").unlink()
    fails(capsys, generate_mhp_dataset, root + " --cat1 pants --cat2 hat", "train_list.txt")
    assert not (tmp_path / "out").exists()


def test_odd_sizes_and_lists_of_mhp(mhp, tmp_path, capsys):
    picture(2000, 4).resize((1, 2000)).save(mhp / "images/3.jpg")
    for person in (1, 2):
        Image.new("L", (1, 2000), 6).save(mhp / f"annotations/3_02_0{person}.png")
    (mhp / "train_list.txt").write_bytes(b"1.jpg\n3.jpg\n\xff.jpg\n")
    words = f"--data_root {mhp} --save_root {tmp_path / 'out'} --cat1 pants --cat2 sunglass"
    call(generate_mhp_dataset, f"{words} --size_h 45 --size_w 30 --missing skip")
    assert (tmp_path / "out/trainA/3.png").is_file()
    fails(capsys, generate_mhp_dataset, f"{words} --size_h 100000000 --overwrite", "--size_h")
