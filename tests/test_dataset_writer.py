"""A generated dataset is whole or not there; bad input is one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from annotated import call, contents, fails, picture, write_annotations
from PIL import Image
from scipy.io import loadmat, savemat

from conftest import ROOT, one_line_error
from datasets import (
    check_dataset,
    generate_ccp_dataset,
    generate_coco_dataset,
    generate_mhp_dataset,
    generate_shapes_dataset,
)
from datasets.making import writer as dataset_writer
from util.files import staged, write_atomic
from util.images import save_picture


def test_the_same_bytes_with_any_number_of_workers(coco, ccp, tmp_path):
    for module, root in ((generate_coco_dataset, coco), (generate_ccp_dataset, ccp)):
        for workers in (1, 3):
            out = tmp_path / f"{module.__name__}{workers}"
            call(module, f"--data_root {root} --save_root {out} --workers {workers}")
        one, other = (contents(tmp_path / f"{module.__name__}{n}") for n in (1, 3))
        assert one == other and len(one) > 4


def test_bad_input_is_one_line_and_nothing_is_written(coco, ccp, tmp_path, capsys, monkeypatch):
    out = tmp_path / "new" / "out"

    def refused(words: str, *said: str) -> None:
        fails(capsys, generate_coco_dataset, f"--save_root {out} --data_root {words}", *said)
        assert not out.exists()
        assert not out.parent.exists() or list(out.parent.iterdir()) == []

    refused(str(tmp_path / "nowhere"), "--data_root", "no such folder", "download_coco.sh")
    refused(str(ccp), ".json", "--annotations")
    refused(f"{coco} --annotations absent.json", "absent.json")
    refused(f"{coco} --cat1 giraffe", "giraffe is in both")
    refused(f"{coco} --cat1 shep", "unknown", "nearest first: sheep, ")
    refused(f"{coco} --min_area 1.5", "--min_area 1.5")
    refused(f"{coco} --min_area 0.9", "--cat1 sheep", "--min_area")
    whole = (coco / "annotations/instances_train2017.json").read_text()
    for broken, said in (
        ({"annotations": {}}, "no list 'annotations'"),
        ({"annotations": [{"image_id": 7}]}, "left out: 1 without a category"),
        ({"annotations": [{"category_id": 1}]}, "image_id"),
        ({"images": [{"id": i, "file_name": f"../../{i}"} for i in (7, 9)]}, "absent"),
        ({"images": [{"id": 1, "file_name": "a.jpg"}]}, "does not list"),
        ({"annotations": []}, "no picture to train on has it"),
    ):
        write_annotations(coco, **broken)
        refused(str(coco), said)
        (coco / "annotations/instances_train2017.json").write_text(whole)
    annotation = {"image_id": 7, "category_id": 1, "segmentation": {"size": [5, 5], "counts": [25]}}
    others = json.loads(whole)["annotations"]
    write_annotations(coco, annotations=[*others, annotation])
    refused(str(coco), "000000000007.jpg", "5x5")
    write_annotations(coco, annotations=[*others, annotation | {"segmentation": "abc"}])
    refused(str(coco), "neither polygons nor RLE")
    (coco / "annotations/instances_train2017.json").write_text(whole[:-9])
    refused(str(coco), "is no JSON")


def test_absent_and_broken_pictures_are_named_or_left_out(coco, tmp_path, capsys):
    words = f"--data_root {coco} --save_root {tmp_path / 'out'} --cat1 goat,sheep"
    path = coco / "train2017/000000000007.jpg"
    whole = path.read_bytes()
    for spoil, said in (
        (path.unlink, "absent"),
        (lambda: path.write_bytes(whole[:300]), "cannot be read"),
        (lambda: picture(20, 20).save(path), "20x20 and annotated as 32x48"),
    ):
        spoil()
        fails(capsys, generate_coco_dataset, words, "000000000007.jpg", said, "--missing skip")
        assert not (tmp_path / "out").exists()
        call(generate_coco_dataset, f"{words} --missing skip")
        told = capsys.readouterr().out
        assert "000000000007.jpg first" in told or "unreadable: 1 pictures, trainA/7 first" in told
        assert [p.name for p in (tmp_path / "out/trainA").iterdir()] == ["9.png"]
        shutil.rmtree(tmp_path / "out")


def test_an_existing_folder_is_safe(coco, tmp_path, capsys):
    out = tmp_path / "out"
    words = f"--data_root {coco} --save_root {out}"
    call(generate_coco_dataset, words)
    before = contents(out)
    fails(capsys, generate_coco_dataset, words, str(out), "--overwrite")
    fails(
        capsys, generate_coco_dataset, f"{words} --overwrite --cat1 goat --min_area 0.9", "--cat1"
    )
    assert contents(out) == before
    call(generate_coco_dataset, f"{words} --overwrite --image_size 40")
    assert contents(out) != before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("dear")
    words = f"--data_root {coco} --save_root {tmp_path / 'mine'} --overwrite"
    fails(capsys, generate_coco_dataset, words, "not made by a generator")
    assert (tmp_path / "mine/thesis.txt").read_text() == "dear"


def test_a_full_disk_leaves_nothing(coco, tmp_path, capsys, monkeypatch):
    def full(path, pixels):
        if path.name == "7_3.png":
            raise OSError(28, "No space left on device", str(path))
        written(path, pixels)

    written = dataset_writer.save
    monkeypatch.setattr(dataset_writer, "save", full)
    words = f"--data_root {coco} --save_root {tmp_path / 'new/out'} --workers 1"
    fails(capsys, generate_coco_dataset, words, "--save_root", "No space left on device")
    assert not (tmp_path / "new").exists()


def test_a_killed_run_looks_like_none_and_the_next_one_is_clean(ccp, tmp_path):
    enlarge(ccp, "0002")  # so that there is something to interrupt
    for i in range(100, 160):
        for kind, suffix in (("photos", ".jpg"), ("annotations/pixel-level", ".mat")):
            os.link(ccp / kind / f"0002{suffix}", ccp / kind / f"{i:04d}{suffix}")
    words = f"--data_root {ccp} --save_root {tmp_path / 'out'} --workers 2".split()
    script = ROOT / "datasets/generate_ccp_dataset.py"
    for stop in (signal.SIGINT, signal.SIGKILL):
        running = subprocess.Popen(
            [sys.executable, script, *words],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        while running.poll() is None and not list(tmp_path.glob(".out.partial/trainA/01*.png")):
            time.sleep(0.01)
        os.killpg(running.pid, stop)
        said = running.communicate()[1]
        assert not (tmp_path / "out").exists()
        if stop == signal.SIGINT:
            assert running.returncode == 130 and said.strip() == "interrupted"
            assert not (tmp_path / ".out.partial").exists()
    assert (tmp_path / ".out.partial").exists()  # nobody was left to remove it
    generate_ccp_dataset.main(words)
    assert len(list((tmp_path / "out/trainA").iterdir())) == 62
    assert not (tmp_path / ".out.partial").exists()


def enlarge(ccp: Path, stem: str) -> None:
    """Make a photo and its labels 400 x 600 pixels large."""
    path = ccp / f"annotations/pixel-level/{stem}.mat"
    labels = np.kron(loadmat(path)["groundtruth"], np.ones((10, 25), np.uint8))
    savemat(path, {"groundtruth": labels})
    picture(400, 600, 2).save(ccp / f"photos/{stem}.jpg")


def test_two_runs_on_one_folder_do_not_meet(coco, tmp_path, capsys):
    words = f"--data_root {coco} --save_root {tmp_path / 'out'}"
    with staged(tmp_path / "out", "--save_root") as folder:
        (folder / "mine").write_text("x")
        fails(capsys, generate_coco_dataset, words, "is being written by another process")
        assert (folder / "mine").exists()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_links_and_the_folder_one_is_in(coco, tmp_path, capsys, monkeypatch):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk/data")
    words = f"--data_root {coco} --save_root {tmp_path / 'link'}"
    for overwrite in ("", " --overwrite"):
        call(generate_coco_dataset, words + overwrite)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "disk/data/trainA").is_dir()
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["data"]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    fails(
        capsys, generate_coco_dataset, f"--data_root {coco} --save_root .", "the folder you are in"
    )


def test_workers_end_with_a_killed_parent(tmp_path):
    code = (
        "import os, time\nfrom util.workers import map_in_order\n"
        "def work(n):\n    os.write(1, b'%d\\n' % os.getpid())  # one piece\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    list(map_in_order(work, range(8), 2, 'x'))\n"
    )
    (tmp_path / "many.py").write_text(code)
    running = subprocess.Popen(
        [sys.executable, tmp_path / "many.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    workers = [int(running.stdout.readline()) for _ in range(2)]
    running.kill()
    running.wait()
    deadline = time.time() + 20
    while any(map(alive, workers)) and time.time() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a zombie that nobody waited for is dead
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_hand_repaired_dataset_is_not_overwritten(coco, tmp_path, capsys):
    words = f"--data_root {coco} --save_root {tmp_path}"
    call(generate_coco_dataset, f"{words}/out")
    with pytest.raises(SystemExit) as stop:
        check_dataset.main([f"{tmp_path}/out", "--fix", f"{tmp_path}/fixed", "--workers", "1"])
    assert stop.value.code == 1
    capsys.readouterr()
    fails(capsys, generate_coco_dataset, f"{words}/fixed --overwrite", "not made by a generator")


def test_nothing_left_says_why(coco, tmp_path, capsys):
    (coco / "train2017/000000000007.jpg").unlink()
    words = f"--data_root {coco} --save_root {tmp_path / 'out'} --missing skip"
    fails(capsys, generate_coco_dataset, words, "absent", "domain A")
    fails(capsys, generate_coco_dataset, f"{words} --images /nowhere", "--images /nowhere")


def test_a_full_disk_names_the_file_and_leaves_nothing_of_it(tmp_path, capsys, monkeypatch):
    def full(picture, path, **_):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match=r"No space left on device: .*x.png"):
        save_picture(Image.new("L", (4, 4)), tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
    with pytest.raises(SystemExit) as stop:
        generate_shapes_dataset.main(f"--save_root {tmp_path / 'shapes'} --size 32".split())
    assert stop.value.code == 2
    one_line_error(capsys, "--save_root", "shapes", "No space left on device", "nothing of it")
    assert not [path for path in (tmp_path / "shapes").rglob("*") if path.is_file()]

    def write(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: .*page.html"):
        write_atomic(tmp_path / "page.html", write)
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_are_read_as_any_system_writes_them(mhp, tmp_path, encoding):
    for name in ("train", "test"):
        path = mhp / f"{name}_list.txt"
        text = path.read_text()
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    words = f"--data_root {mhp} --save_root {tmp_path / 'out'} --cat1 hat --cat2 sunglass"
    call(generate_mhp_dataset, words)
    assert len(list((tmp_path / "out/trainA").iterdir())) == 2
