"""Videos from end to end: frames, their times, sound, and masks that are linked."""

import re
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt
from test_tracks import alike

import train
import translate
from conftest import refused
from scripts import draw_video
from translation import finders, mp4, video
from translation.mp4 import av
from translation.result import Result
from util.errors import UserError

needs_av = pytest.mark.skipif(av is None, reason="needs PyAV (requirements-video.txt)")


class Same:
    """A translator that leaves pictures as they are."""

    needs_masks, finder = False, None
    opt = SimpleNamespace(input_nc=3, size=None, model="same", ins_max=4, everything=False)
    way = SimpleNamespace(words="A to B")
    run = SimpleNamespace(model=SimpleNamespace(finds_masks=False))

    def in_given_order(self):
        return self

    def translate(self, pictures, masks, numbers):
        return [
            Result(x, [x], ["translation"], [], m, m) for x, m in zip(pictures, masks, strict=True)
        ]


def draw(path: str, words: str = "") -> Path:
    draw_video.main([path, "--size", "48", "--frames", "12", *words.split()])
    return Path(path)


def frames_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [float(frame.pts * frame.time_base) for frame in file.decode(video=0)]


def sound_of(path: Path) -> tuple[list[bytes], float]:
    """The packets of sound, and the frequency that is heard, in hertz."""
    with av.open(str(path)) as file:
        packets = [bytes(packet) for packet in file.demux(audio=0) if packet.size]
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate
        wave = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    wave = wave - wave.mean()
    return packets, float(np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@needs_av
def test_frames_times_and_sound_are_kept(here):
    path, out = draw("v.mp4", "--tone 440 --fps 15"), Path("out/w.mp4")
    said = video.translate_video(Same(), path, out, 0)
    assert said.startswith("12 frames, A to B; pictures change by ")
    with av.open("v.mp4") as before, av.open(str(out)) as after:
        one, other = before.streams.video[0], after.streams.video[0]
        assert other.frames == 12 and other.average_rate == 15 == one.average_rate
        assert after.duration == before.duration == 800_000
        assert other.codec_context.pix_fmt == "yuv420p"
    packets, frequency = sound_of(out)
    assert packets == sound_of(path)[0] and abs(frequency - 440) < 5
    assert np.abs(frames_of(out).astype(float) - frames_of(path)).mean() < 3
    assert [path.name for path in out.parent.iterdir()] == ["w.mp4"]


@needs_av
def test_a_video_has_one_translation_and_no_further_files(here):
    draw("v.mp4")
    several, everything = Same(), Same()
    one = Same.translate
    several.translate = lambda *args, **how: [
        replace(own, pictures=2 * [*own.pictures]) for own in one(several, *args, **how)
    ]
    everything.opt = SimpleNamespace(**vars(Same.opt) | {"everything": True})
    for translator, said in ((several, "2 translations of each"), (everything, "--everything")):
        with pytest.raises(UserError, match=said):
            video.translate_video(translator, Path("v.mp4"), Path("w.mp4"), 0)
    assert not Path("w.mp4").exists()


@needs_av
def test_phones_store_their_videos_turned(here):
    path = draw("v.mp4")
    upright = frames_of(path)[0]
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # the matrix of a track of version 0
    assert struct.unpack(">3i", content[place : place + 12]) == (1 << 16, 0, 0)
    quarter = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # clockwise
    content[place : place + 36] = struct.pack(">9i", *quarter)
    path.write_bytes(content)
    video.translate_video(Same(), path, Path("w.mp4"), 0)
    turned = frames_of(Path("w.mp4"))[0].astype(float)
    assert np.abs(turned - np.rot90(upright, -1)).mean() < 4
    assert np.abs(turned - upright).mean() > 8


@needs_av
def test_gifs(here):
    pictures = [Image.new("RGB", (20, 16), (20 * n, 90, 40)) for n in range(6)]
    pictures[0].save(
        "v.gif", save_all=True, append_images=pictures[1:], duration=[100] * 3 + [300] * 3
    )
    video.translate_video(Same(), Path("v.gif"), Path("w.mp4"), 0)
    assert times_of(Path("w.mp4")) == pytest.approx([0, 0.1, 0.2, 0.3, 0.6, 0.9])
    with av.open("w.mp4") as file:
        assert not file.streams.audio and file.duration == 1_200_000


@needs_av
def test_what_is_no_video_is_named_and_nothing_is_left(here, monkeypatch):
    whole = draw("v.mp4").read_bytes()
    for name, content, said in (
        ("text", b"no video\n" * 99, "cannot be read as a video"),
        ("none", b"", "cannot be read as a video"),
        ("cut", whole[: len(whole) // 2], "not one frame in it can be decoded"),
    ):
        Path(f"{name}.mp4").write_bytes(content)
        with pytest.raises(UserError, match=rf"^{name}\.mp4: {said}"):
            video.translate_video(Same(), Path(f"{name}.mp4"), Path("out/w.mp4"), 0)
    with pytest.raises(UserError, match="would be overwritten"):
        video.translate_video(Same(), Path("v.mp4"), Path("v.mp4"), 0)
    stopped = Same()
    stopped.translate = lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        video.translate_video(stopped, Path("v.mp4"), Path("out/w.mp4"), 0)
    assert not [*Path("out").iterdir()] and Path("v.mp4").read_bytes() == whole
    monkeypatch.setattr(mp4, "av", None)
    with pytest.raises(UserError, match="pip install -r requirements-video.txt"):
        video.translate_video(Same(), Path("v.mp4"), Path("out/w.mp4"), 0)


@needs_av
def test_drawn_videos(here, capsys):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        draw(f"{name}.mp4", f"--masks {name} --instances 2 --seed {seed}")
    one, same, other = ([path.read_bytes() for path in sorted(Path(x).iterdir())] for x in "abc")
    assert one == same != other and len(one) == 24
    assert Path("a.mp4").read_bytes() == Path("b.mp4").read_bytes() != Path("c.mp4").read_bytes()
    masks = np.stack([np.asarray(Image.open(f"a/{n:05d}_0.png")) for n in range(12)]) > 0
    assert masks.any((1, 2)).all() and (masks[0] != masks[-1]).any()
    assert not masks[:, [0, -1]].any() and not masks[:, :, [0, -1]].any()
    Path("mine").mkdir()
    Path("mine/thesis.png").touch()
    capsys.readouterr()
    for words in ("x.mp4 --masks mine", "x.avi", "x.mp4 --frames 0", "x.mp4 --tone 99999"):
        refused(capsys, lambda words=words: draw_video.main(words.split()), words.split()[-1])


# ---- from end to end


def call(words: str) -> None:
    translate.main(["--gpu_ids", "-1", *words.split()])


@needs_av
def test_whole_pictures(run, capsys):
    run(
        train.main, "--name r --niter 1 --niter_decay 0 --no_html --model cycle_gan --init_gain 0.3"
    )
    draw("v.mp4", "--tone 440")
    capsys.readouterr()
    call("v.mp4 --name r")
    assert "v.mp4: 12 frames, A to B; pictures change by " in capsys.readouterr().out
    before, after = frames_of(Path("v.mp4")), frames_of(Path("translated/v.mp4"))
    assert after.shape == before.shape and np.abs(after.astype(float) - before).mean() > 8
    assert sound_of(Path("translated/v.mp4")) == sound_of(Path("v.mp4"))


@needs_av
def test_instances(run, capsys, monkeypatch):
    """With true masks that come in another order each time; then with those of a predictor."""
    run(
        train.main,
        "--name r --niter 1 --niter_decay 0 --no_html --paste 2 --ins_max 1 --ins_per 1",
    )
    run(train.main, "--name m --model mask_predictor --niter 1 --niter_decay 0 --no_html")
    draw("v.mp4", "--masks masks --tone 440 --seed 3")
    refused(capsys, lambda: call("v.mp4 --name r"), "error: ", "--masks auto:RUN")
    refused(capsys, lambda: call("v.mp4 --name m"), "v.mp4: --model mask_predictor finds masks")
    call("v.mp4 --name r --masks auto:m --out by_predictor")
    assert len(frames_of(Path("by_predictor/v.mp4"))) == 12

    rng, seen = np.random.default_rng(0), []
    files = [[f"masks/{n:05d}_{k}.png" for k in range(2)] for n in range(12)]
    truth = [np.stack([np.asarray(Image.open(x)) > 0 for x in own]) for own in files]
    monkeypatch.setattr(
        finders.PredictedMasks, "find", lambda *_: truth[len(seen)][rng.permutation(2)]
    )
    note = video.FrameByFrame.note

    def noted(self, linked, result):
        seen.append((linked, result))
        note(self, linked, result)

    monkeypatch.setattr(video.FrameByFrame, "note", noted)
    capsys.readouterr()
    call("v.mp4 --name r --masks auto:m --composite --smooth 0.5")
    out = capsys.readouterr().out
    number = r"0\.\d{3}"
    told = rf"v.mp4: 12 frames, 1 instance, A to B; flicker of masks {number} -> {number}, translated {number};"
    assert re.search(told, out)
    assert "up to 1 at a time stay, beyond --ins_max 1" in out
    largest = int(truth[0].sum((1, 2)).argmax())
    assert all([*own.masks] == [0, 1] and result.numbers == [0] for own, result in seen)
    assert all(
        alike(own.masks[0], masks[largest]) > 0.85
        for (own, _), masks in zip(seen, truth, strict=True)
    )
    before, after = (frames_of(Path(x)).astype(float) for x in ("v.mp4", "translated/v.mp4"))
    changed = np.stack(
        [masks[largest] | result.masks[0] for masks, (_, result) in zip(truth, seen, strict=True)]
    )
    far = np.stack([distance_transform_edt(~own) > 8 for own in changed])
    assert far.any() and np.abs(after - before)[far].mean() < 4
    assert np.abs(after - before)[changed].mean() > 20

    seen.clear()
    capsys.readouterr()
    call("v.mp4 --name r --masks auto:m --instances 1 --out second")
    out = capsys.readouterr().out
    assert "12 frames, 1 instance, A to B" in out and "stay" not in out
    assert all([*own.masks] == [0, 1] and result.numbers == [1] for own, result in seen)
    assert all(np.array_equal(own.masks[1], result.source_masks[0]) for own, result in seen)


@needs_av
def test_a_random_style_is_the_same_in_all_frames(run, capsys):
    run(train.main, "--name r --model init --niter 1 --niter_decay 0 --no_html")
    draw("v.mp4", "--speed 0")
    refused(capsys, lambda: call("v.mp4 --name r --n_styles 3"), "v.mp4: 3 translations of each")
    call("v.mp4 --name r")
    before, after = (frames_of(Path(x)).astype(float) for x in ("v.mp4", "translated/v.mp4"))
    assert len(after) == 12 and np.abs(after[0] - before[0]).mean() > 8
    assert np.abs(after - after[0]).mean() < 2
