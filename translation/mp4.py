"""Frames and sound into an mp4 that every player knows."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from util.errors import UserError

try:
    import av
except ImportError:  # optional
    av = None

COPIED = ("aac", "mp3", "ac3", "eac3", "alac", "opus")  # sound that an mp4 takes as it is
RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)  # of sound as AAC
LAYOUTS = {1: "mono", 6: "5.1"}  # of sound as AAC, by its channels; all others become stereo
FINEST = 60000  # ticks of a second; a multiple of the usual frame rates, and MPEG-4 has 65,535
BT601, UNSPECIFIED = 5, 2  # how colours are coded, as FFmpeg numbers it
LIMITED = 1  # levels from 16 to 235
EXACT = 0x4 | 0x2000 | 0x4000 | 0x40000  # FFmpeg's flags: colours are to come back as they were


class Frame(NamedTuple):
    """A frame, uint8 [H, W, 3], when it is shown, and how long if that is known, in seconds."""

    pixels: np.ndarray
    time: Fraction
    duration: Fraction | None = None


class Look(NamedTuple):
    """What a player has to know about a video besides its frames."""

    rate: Fraction = Fraction(25)
    time_base: Fraction = Fraction(1, FINEST)
    matrix: int = BT601
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    pixel_shape: Fraction = Fraction(1)  # width over height


def need_av() -> None:
    if av is None:
        raise UserError("videos need PyAV: pip install -r requirements-video.txt")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What FFmpeg cannot write becomes a UserError, one line that names the video."""
    try:
        yield
    except av.FFmpegError as error:
        raise UserError(
            f"{path} cannot be written ({(error.strerror or str(error)).lower()}): make room on "
            "the disk, or scale a very large video down (H.264 has at most 16384 pixels a side)"
        ) from None


class Mp4:
    """Writes frames into an mp4 that plays while it loads. Use it as a context manager."""

    def __init__(self, path: Path, size: tuple[int, int], look: Look):
        """size is (height, width); odd ones are made even by a copy of the last row or column."""
        need_av()
        self.look = look
        self.durations: dict[int, int] = {}  # of frames in the encoder, by their time, in ticks
        self.odd = tuple((0, side % 2) for side in size)
        options = {"movflags": "+faststart"}
        self.file = av.open(str(path), "w", format="mp4", options=options)
        height, width = (side + side % 2 for side in size)
        codec, quality = encoder()
        rate = look.rate.limit_denominator(1001)
        self.stream = self.file.add_stream(codec, rate=rate, options=quality)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        coded = self.stream.codec_context
        coded.time_base = look.time_base
        coded.sample_aspect_ratio = look.pixel_shape
        coded.colorspace, coded.color_range = look.matrix, LIMITED
        coded.color_primaries, coded.color_trc = look.primaries, look.transfer
        if codec == "mpeg4":
            coded.bit_rate = max(int(height * width * rate / 2), 100_000)

    def __enter__(self) -> "Mp4":
        return self

    def __exit__(self, kind, *_) -> None:
        with suppress(av.FFmpegError) if kind else nullcontext():  # the first error is told
            self.file.close()

    def end(self) -> None:
        """Write the frames that the encoder still has."""
        self.encode(None)

    def write(self, frame: Frame) -> None:
        pixels = np.pad(frame.pixels, (*self.odd, (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=self.look.matrix,
            dst_color_range=LIMITED,
            interpolation=EXACT,
        )
        picture.time_base = self.look.time_base
        picture.pts = round(frame.time / self.look.time_base)
        if frame.duration:
            self.durations[picture.pts] = round(frame.duration / self.look.time_base)
        self.encode(picture)

    def encode(self, picture: "av.VideoFrame | None") -> None:
        for packet in self.stream.encode(picture):
            if packet.pts in self.durations:  # the encoder may say another one
                packet.duration = self.durations.pop(packet.pts)
            self.file.mux(packet)


def encoder() -> tuple[str, dict[str, str]]:
    """H.264, which all players know, or MPEG-4 where PyAV was built without it; nearly lossless.

    Without frames between later ones: with them the last frame's duration is lost.
    """
    if "libx264" in av.codecs_available:
        return "libx264", {"crf": "18", "bf": "0"}
    return "mpeg4", {"qmin": "2", "qmax": "5"}


# ---- sound


class Sound:
    """Takes the sound of a file along, as it is wherever an mp4 can hold it, else as AAC."""

    def __init__(self, path: Path, mp4: Mp4, start: Fraction):
        """start is the second of the file that is the mp4's first."""
        self.mp4, self.start = mp4, start
        self.copied, self.encoded = {}, {}  # streams of the mp4, by the index of the source's
        self.left_out: list[str] = []  # codecs that cannot be decoded
        self.broken = 0  # packets that could not be decoded or written
        self.source = av.open(str(path), metadata_errors="replace")
        for stream in self.source.streams.audio:
            self.add(stream)
        kept = [self.source.streams[i] for i in (*self.copied, *self.encoded)]
        self.packets = self.source.demux(kept) if kept else iter(())
        self.next = self.following()

    def close(self) -> None:
        self.source.close()

    def add(self, stream) -> None:
        """Choose how a stream is written."""
        coded = stream.codec_context
        if coded is None:
            self.left_out.append("of an unknown codec")
        elif coded.name.removesuffix("float") in COPIED and fits(stream):
            self.copied[stream.index] = self.mp4.file.add_stream_from_template(stream)
        else:
            rate = coded.sample_rate if coded.sample_rate in RATES else RATES[0]
            layout = LAYOUTS.get(coded.channels, "stereo")
            way = self.mp4.file.add_stream("aac", rate=rate, layout=layout)
            self.encoded[stream.index] = way

    def until(self, time: Fraction) -> None:
        """Write what is heard up to a time in seconds."""
        while self.next is not None and self.time(self.next) <= time:
            self.write(self.next)
            self.next = self.following()

    def end(self) -> None:
        """Write the rest."""
        while self.next is not None:
            self.write(self.next)
            self.next = self.following()
        for way in self.encoded.values():
            with self.counted():
                self.mp4.file.mux(way.encode())

    def following(self):
        """The next packet; None at the end, which may be where the file is broken."""
        try:
            return next(self.packets, None)
        except av.FFmpegError:
            return None

    def time(self, packet) -> Fraction:
        return Fraction(0) if packet.dts is None else packet.dts * packet.time_base - self.start

    def write(self, packet) -> None:
        index = packet.stream.index
        with self.counted():
            if index in self.encoded:
                self.encode(packet, self.encoded[index])
            elif packet.dts is not None:
                self.copy(packet, self.copied[index])
            elif packet.size:  # else it only says that the stream ends
                self.broken += 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Leaves out what an mp4 does not take, such as a time before the last one."""
        try:
            yield
        except (ValueError, OverflowError):  # a full disk is an OSError
            self.broken += 1

    def copy(self, packet, way) -> None:
        shift = round(self.start / packet.time_base)
        packet.dts -= shift
        packet.pts = packet.dts if packet.pts is None else packet.pts - shift
        packet.stream = way
        self.mp4.file.mux(packet)

    def encode(self, packet, way) -> None:
        """Decode a packet and write it as AAC; a broken one is a short silence."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.broken += 1
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(self.start / frame.time_base)
            self.mp4.file.mux(way.encode(frame))


def fits(stream) -> bool:
    """Whether an mp4 takes sound as it is; one that does not would be lost as a whole."""
    try:
        with av.open(BytesIO(), "w", format="mp4") as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True
