"""Videos as files: times of frames, sound, and what is broken or cannot be written."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_video import Same, draw, frames_of, needs_av, sound_of, times_of

from translation import mp4, video
from translation.mp4 import Frame, Look, Mp4, av
from util.errors import UserError

pytestmark = needs_av


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def with_sound(path: Path, out: Path, codec: str) -> None:
    """The same video with its sound encoded otherwise."""
    with av.open(str(path)) as source, av.open(str(out), "w") as file:
        pictures = file.add_stream_from_template(source.streams.video[0])
        sound = file.add_stream(codec, rate=44100, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                file.mux(packet)
        source.seek(0)
        for frame in source.decode(audio=0):
            file.mux(sound.encode(frame))


def test_other_sound_is_encoded_anew():
    with_sound(draw("v.mp4", "--tone 300"), Path("v.mov"), "pcm_s16le")
    video.translate_video(Same(), Path("v.mov"), Path("w.mp4"), 0)
    assert abs(sound_of(Path("w.mp4"))[1] - 300) < 5
    with av.open("w.mp4") as file:
        assert file.streams.audio[0].codec_context.name == "aac"
        assert abs(file.duration - 1_000_000) < 60_000


def test_sound_is_copied_where_an_mp4_takes_it():
    with_sound(draw("v.mp4", "--tone 440"), Path("v.mkv"), "pcm_u8")
    for name, does in (("v.mp4", True), ("v.mkv", False)):
        with av.open(name) as file:
            assert mp4.fits(file.streams.audio[0]) is does


@pytest.mark.parametrize("sound", ["aac", "pcm_s16le"])
def test_broken_times_of_sound_do_not_lose_the_video(monkeypatch, sound):
    draw("v.mp4", "--tone 440")
    if sound != "aac":
        with_sound(Path("v.mp4"), Path("v.mov"), sound)
    path = Path("v.mp4" if sound == "aac" else "v.mov")
    read, count = mp4.Sound.following, iter(range(10**6))

    def following(self):
        packet = read(self)
        if packet is not None and packet.dts is not None and next(count) in (9, 10):
            packet.dts = packet.pts = 0
        return packet

    monkeypatch.setattr(mp4.Sound, "following", following)
    said = video.translate_video(Same(), path, Path("w.mp4"), 0)
    assert said.endswith("2 broken pieces of its sound are left out")
    assert len(frames_of(Path("w.mp4"))) == 12
    assert abs(sound_of(Path("w.mp4"))[1] - 440) < 8


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_times_of_a_variable_rate_and_odd_sizes(monkeypatch, codec):
    if codec == "mpeg4":  # as of a PyAV without x264
        monkeypatch.setattr(mp4.av, "codecs_available", {"mpeg4", "aac"})
    times = [Fraction(n, 1000) for n in (0, 40, 90, 100, 400, 433)]
    rng = np.random.default_rng(0)
    with Mp4(Path("v.mp4"), (31, 45), Look(time_base=Fraction(1, 1000))) as file:
        for time in times:
            flat = np.full((31, 45, 3), rng.integers(40, 200, 3), np.uint8)
            file.write(Frame(flat, time, Fraction(1, 4)))
        file.end()
    video.translate_video(Same(), Path("v.mp4"), Path("w.mp4"), 0)
    assert times_of(Path("w.mp4")) == pytest.approx([float(x) for x in times], abs=1e-4)
    before, after = frames_of(Path("v.mp4")), frames_of(Path("w.mp4"))
    assert after.shape == (6, 32, 46, 3)
    assert np.abs(before.astype(float) - after).mean() < 4
    with av.open("w.mp4") as file:
        assert file.duration == pytest.approx(683_000, abs=2000)


def test_frames_of_one_time_are_shown_one_after_the_other(monkeypatch):
    """Also where a tick of the source is less than one of the mp4."""
    read = video.Video.decoded

    def decoded(self):
        for number, frame in enumerate(read(self)):
            frame.time_base = Fraction(1, 90000)
            frame.pts = 7500 * number if number < 5 else 7500 * 4 + (number > 6)
            yield frame

    monkeypatch.setattr(video.Video, "decoded", decoded)
    monkeypatch.setattr(video.Video, "tick", Fraction(1, mp4.FINEST))
    with video.closing(video.Video(draw("v.mp4"))) as file:
        ticks = [round(frame.time * mp4.FINEST) for frame in file.frames()]
    assert ticks == [0, 5000, 10000, 15000, *range(20000, 20008)]


def test_what_cannot_be_written_is_one_line():
    wide = [Image.new("RGB", (16402, 2), (x, 0, 0)) for x in (9, 99)]
    wide[0].save("v.gif", save_all=True, append_images=wide[1:])
    with pytest.raises(UserError, match=r"^out/w\.mp4 cannot be written \(generic error"):
        video.translate_video(Same(), Path("v.gif"), Path("out/w.mp4"), 0)
    assert not [*Path("out").iterdir()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as of Linux")
def test_a_full_disk_is_one_line(monkeypatch):
    def write_atomic(_, write):
        with open("/dev/full", "w+b") as file:
            write(file)

    monkeypatch.setattr(video, "write_atomic", write_atomic)
    with pytest.raises(UserError, match=r"^w\.mp4 cannot be written \(no space left"):
        video.translate_video(Same(), draw("v.mp4", "--tone 440"), Path("w.mp4"), 0)
