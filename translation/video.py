"""Videos: frame by frame through a translator, with masks that are linked over time.

Frames are streamed: one is in memory at a time, besides those that the encoder holds.
"""

import sys
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from translation.flicker import Flicker
from translation.inputs import as_image
from translation.mp4 import BT601, EXACT, FINEST, Frame, Look, Mp4, Sound, av, need_av, told
from translation.result import Result
from translation.sizes import enlarged, fitted
from translation.tracks import Linked, Tracker
from translation.translator import Translator
from util.errors import UserError
from util.files import write_atomic

BT709 = 1  # how colours are coded, as FFmpeg numbers it; 6 is BT.601 of NTSC, 9 BT.2020
KNOWN = (BT709, BT601, 6, 9)
HIGH = 720  # lines from which on colours are BT709's unless the file says otherwise


def translate_video(translator: Translator, path: Path, out: Path, smooth: float) -> str:
    """Translate a video into an mp4; returns what became of it in a few words.

    smooth is the share of masks that comes from the frames before, 0 to 0.95. Raises UserError for
    a file that cannot be decoded or written, if masks are needed that nobody finds, and if more is
    asked for than one translation of each frame.
    """
    need_av()
    check(translator, path, out)
    with closing(Video(path)) as video:
        work = FrameByFrame(translator.in_given_order(), video, smooth)
        with told(out):
            write_atomic(out, lambda file: work.write(Path(file.name)))
    return work.account()


def check(translator: Translator, path: Path, out: Path) -> None:
    """Raise UserError for what cannot be done with a video."""
    if translator.opt.everything:
        raise UserError(
            f"{path}: --everything writes masks and steps of pictures, and none of a video: leave "
            "it out"
        )
    if translator.run.model.finds_masks:
        raise UserError(
            f"{path}: --model {translator.opt.model} finds masks of pictures, and changes none: "
            "name a run that translates"
        )
    if translator.needs_masks and translator.finder is None:
        raise UserError(
            f"{path}: --model {translator.opt.model} translates what masks mark, and those of a "
            "video are to be found: give --masks auto:RUN, a trained --model mask_predictor"
        )
    if out.exists() and out.samefile(path):
        raise UserError(f"{path} would be overwritten by its translation: give another --out")


class FrameByFrame:
    """A video on its way through a translator, and what is told of it afterwards."""

    def __init__(self, translator: Translator, video: "Video", smooth: float):
        self.translator, self.video, self.smooth = translator, video, smooth
        self.tracker, self.flicker = Tracker(smooth), Flicker()
        self.count = self.left_out = 0
        self.instances: set[int] = set()
        self.lost_sound: list[str] = []
        self.broken_sound = 0

    def write(self, path: Path) -> None:
        """Translate all frames into an mp4."""
        frames = self.video.frames()
        first = next(frames)
        size = first.pixels.shape[:2]
        bar = tqdm(
            total=self.video.count, unit="frame", leave=False, disable=not sys.stderr.isatty()
        )
        with (
            bar,
            Mp4(path, size, self.video.look(size)) as mp4,
            closing(Sound(self.video.path, mp4, self.video.start)) as sound,
        ):
            for frame in chain([first], frames):
                sound.until(frame.time)
                mp4.write(frame._replace(pixels=self.translated(frame.pixels)))
                bar.update()
            mp4.end()
            sound.end()
            self.lost_sound, self.broken_sound = sound.left_out, sound.broken

    def translated(self, pixels: np.ndarray) -> np.ndarray:
        """What the next frame becomes, uint8 [H, W, 3]."""
        opt = self.translator.opt
        image = as_image(pixels, opt.input_nc)
        small = fitted(image, opt.size)
        linked = self.tracker.step(self.found(small))
        masks, numbers = linked.stacked(small.shape[:2]), list(linked.masks)
        [result] = self.translator.translate([small], [masks], numbers=[numbers])
        if len(result.pictures) > 1:
            raise UserError(
                f"{self.video.path}: {len(result.pictures)} translations of each frame, and a "
                "video shows one: leave --n_styles and --interpolate out, and give one picture "
                "to --style_from"
            )
        self.note(linked, result)
        picture = enlarged(result, image).pictures[0]
        return np.broadcast_to(picture, (*picture.shape[:2], 3))

    def found(self, image: np.ndarray) -> np.ndarray:
        """Its masks, bool [N, H, W]; none for a model that looks at none."""
        if self.translator.needs_masks:
            return self.translator.finder([image])[0]
        return np.zeros((0, *image.shape[:2]), bool)

    def note(self, linked: Linked, result: Result) -> None:
        """Take down what is to be told of a frame."""
        masks = {
            "found": linked.found,
            "smoothed": linked.masks,
            "translated": dict(zip(result.numbers, result.masks, strict=True)),
        }
        self.flicker.add(result.source, result.pictures[0], masks)
        self.instances |= {*result.numbers}
        self.left_out = max(self.left_out, result.left_out)
        self.count += 1

    def account(self) -> str:
        """What became of the video, in words."""
        words = [f"{self.count} frame{'s' if self.count != 1 else ''}"]
        if self.translator.needs_masks and not self.instances:
            words.append("no instances")
        elif self.translator.needs_masks and self.translator.run.model.tells_instances_apart:
            words.append(f"{len(self.instances)} instance{'s' if len(self.instances) > 1 else ''}")
        lines = [", ".join([*words, self.translator.way.words]), *self.flickers()]
        if self.left_out:
            most = self.translator.opt.ins_max
            lines.append(f"up to {self.left_out} at a time stay, beyond --ins_max {most}")
        if self.video.broken:
            lines.append(f"{self.video.broken} broken pieces of the file are left out")
        if self.lost_sound:
            lines.append(f"its sound ({', '.join(self.lost_sound)}) is left out")
        if self.broken_sound:
            lines.append(f"{self.broken_sound} broken pieces of its sound are left out")
        return "; ".join(lines)

    def flickers(self) -> Iterator[str]:
        scores = self.flicker.scores()
        if "found" in scores:
            smoothed = f" -> {scores['smoothed']:.3f}" if self.smooth else ""
            translated = (
                f", translated {scores['translated']:.3f}" if "translated" in scores else ""
            )
            yield f"flicker of masks {scores['found']:.3f}{smoothed}{translated}"
        if "output" in scores:
            what = "the rest changes" if self.translator.needs_masks else "pictures change"
            yield (
                f"{what} by {scores['output']:.1f} of 255 from frame to frame "
                f"(source {scores['source']:.1f})"
            )


# ---- reading


class Video:
    """The frames of a file. Raises UserError, in one line, for what cannot be decoded."""

    def __init__(self, path: Path):
        need_av()
        self.path = path
        self.broken = 0  # packets that could not be decoded
        try:
            self.file = av.open(str(path), metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise self.unreadable(error) from None
        if not self.file.streams.video:
            self.file.close()
            raise UserError(f"{path}: there are no pictures in it: name a video")
        self.stream = self.file.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.start = Fraction(max(self.file.start_time or 0, 0), 1_000_000)

    def close(self) -> None:
        self.file.close()

    def unreadable(self, error: Exception) -> UserError:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        return UserError(
            f"{self.path}: cannot be read as a video ({reason}): is it whole? Otherwise save it as "
            "an mp4 by a video editor"
        )

    @property
    def count(self) -> int | None:
        """How many frames there should be, if the file says so."""
        if self.stream.frames:
            return self.stream.frames
        seconds = Fraction(self.file.duration or 0, 1_000_000)
        return round(seconds * (self.stream.average_rate or 0)) or None

    def decoded(self) -> Iterator["av.VideoFrame"]:
        """Frames as FFmpeg decodes them; what is broken is left out and counted."""
        packets = self.file.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)  # a packet that ends a broken file raises, then None
                frames = [] if packet is None else packet.decode()
            except av.FFmpegError:
                self.broken += 1
                continue
            if packet is None:
                return
            yield from frames

    @property
    def tick(self) -> Fraction:
        """Of the mp4's times, in seconds."""
        base = self.stream.time_base or Fraction(1, FINEST)
        return base if base.denominator <= FINEST else Fraction(1, FINEST)

    def frames(self) -> Iterator[Frame]:
        """All frames, upright, of one size, each at least a tick later than the one before."""
        size, last, step = None, None, 1 / Fraction(self.stream.average_rate or 25)
        for frame in self.decoded():
            size = size or (frame.width, frame.height)
            base = frame.time_base or self.stream.time_base
            if frame.pts is not None:
                time = frame.pts * base - self.start
            else:
                time = Fraction(0) if last is None else last + step
            time = round(time / self.tick) * self.tick
            if last is not None and time <= last:  # a file that was joined badly
                time = last + self.tick
            last = time
            duration = frame.duration * base if frame.duration else None
            yield Frame(upright(frame, size), time, duration)
        if last is None:
            raise UserError(f"{self.path}: not one frame in it can be decoded: is it whole?")

    def look(self, size: tuple[int, int]) -> Look:
        """For frames of (height, width), upright."""
        coded, stream = self.stream.codec_context, self.stream
        shape = Fraction(stream.sample_aspect_ratio or 1)
        turned = (coded.width > coded.height) != (size[1] > size[0])
        return Look(
            Fraction(stream.average_rate or 25),
            self.tick,
            matrix_of(coded.colorspace, min(size)),
            coded.color_primaries,
            coded.color_trc,
            1 / shape if turned else shape,
        )


def matrix_of(colorspace: int, lines: int) -> int:
    """How colours are coded; of videos that do not say, as players take it, by their lines."""
    return colorspace if colorspace in KNOWN else BT709 if lines >= HIGH else BT601


def upright(frame: "av.VideoFrame", size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3] as a player shows it: phones store their videos turned."""
    form = {"width": size[0], "height": size[1], "format": "rgb24", "interpolation": EXACT}
    if frame.format.name.startswith(("yuv", "nv", "p0")):
        form["src_colorspace"] = matrix_of(frame.colorspace, min(size))
        form["src_color_range"] = frame.color_range
    pixels = frame.reformat(**form).to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
