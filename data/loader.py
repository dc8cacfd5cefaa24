"""Batches in an order that depends on nothing but the seed and the epoch."""

import atexit
import math
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, get_worker_info

from data.base_dataset import BaseDataset, Draw, generator_for
from data.instance_watch import InstanceWatch
from data.pictures import UnreadableError
from data.scene import Scene
from training.distributed import rank, world_size
from util.errors import UserError

PAUSES = (0.5, 10.0)  # seconds between attempts at a file, doubling from first to last
WAITING = 64  # pictures that are kept until others of their size come


class EpochSampler(Sampler):
    """Batches of draws of one epoch, without its first `skip` samples.

    Several processes cut the same order into the same large batches, of which each takes every
    `world_size`-th sample from its rank on: together they see what one process with the large batch
    would. Fewer samples than processes at the end of an epoch are left out.
    """

    def __init__(self, length: int, batch_size: int, seed: int, shuffle: bool):
        self.length = length
        self.batch_size = batch_size * world_size()
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 1
        self.skip = 0

    @property
    def stop(self) -> int:
        """Where the epoch ends: at its length, or before a rest that is too small."""
        rest = (self.length - self.skip) % self.batch_size
        return self.length - (rest if rest < world_size() else 0)

    def __len__(self) -> int:
        return -(-(self.stop - self.skip) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        order = torch.arange(self.length)
        if self.shuffle:
            order = torch.randperm(self.length, generator=generator_for(self.seed, self.epoch))
        for start in range(self.skip, self.stop, self.batch_size):
            places = range(start, min(start + self.batch_size, self.stop))
            own = places[rank() :: world_size()]
            yield [Draw(self.epoch, place, int(order[place])) for place in own]


class SceneLoader:
    """Iterates over the batches of an epoch: one Scene per domain."""

    def __init__(self, dataset: BaseDataset, opt):
        self.dataset = dataset
        self.sampler = EpochSampler(len(dataset), opt.batch_size, opt.seed, not opt.serial_batches)
        self.pictures = self.sampler.stop
        if self.pictures == 0:
            raise UserError(
                f"{opt.dataroot} has fewer pictures ({len(dataset)}) than there are processes "
                f"({world_size()}): start {len(dataset)} at most"
            )
        self.reading = Reading(opt.num_threads)
        self.watch = InstanceWatch()
        self.loader = DataLoader(
            Guarded(dataset, opt.data_patience, self.reading),
            batch_sampler=self.sampler,
            collate_fn=collate,
            num_workers=opt.num_threads,
            persistent_workers=opt.num_threads > 0,
            pin_memory=bool(opt.gpu_ids),
            worker_init_fn=partial(ignore_signals_in_workers, self.reading),
            generator=torch.Generator(),  # so that the loader draws nothing from the global one
        )

    def __len__(self) -> int:
        """Pictures per domain in an epoch, of all processes together."""
        return self.pictures

    def first(self) -> dict[str, Scene]:
        """The epoch's first sample, to see its sizes."""
        return self.dataset[Draw(1, 0, 0)]

    def batch_after(self, done: int) -> int:
        """Pictures in the batch that follows `done` others of an epoch, in all processes."""
        return min(self.sampler.batch_size, self.sampler.stop - done)

    def is_over(self, done: int) -> bool:
        """Whether no batch follows `done` pictures of an epoch."""
        return done >= self.sampler.stop

    def epoch(self, number: int, skip: int = 0) -> Iterator[dict[str, Scene]]:
        """This process's batches of epoch `number`, without the first `skip` pictures."""
        self.sampler.epoch, self.sampler.skip = number, skip
        batches = iter(self.loader)
        if self.loader.num_workers:
            restore_default_sigchld()
        while (batch := self.next_of(batches)) is not None:
            if isinstance(batch, UserError):
                raise batch
            batch = batch.open() if isinstance(batch, Parcel) else batch
            self.watch.look(batch)
            yield batch

    def next_of(self, batches: Iterator):
        """The next batch, None at the end. Raises UserError if a loader process is lost."""
        try:
            return next(batches, None)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            draws = self.reading.of_processes(str(error))
            places = [place for draw in draws for place in self.dataset.sources_of(draw)]
            names = " and ".join(places) or "a picture"
            raise UserError(
                f"a loader process was killed while it read {names} (too little memory? a broken "
                "disk?): try --num_threads 0"
            ) from None


def batches_of_one_size(
    scenes: Sequence[Scene], count: int, batch_size: int
) -> Iterator[tuple[list[int], Scene]]:
    """The first `count` scenes in batches of up to `batch_size`, with their places in the sequence.

    A picture waits for others of its size, but never so many that more than WAITING do.
    """
    waiting: dict[torch.Size, list[int]] = {}
    read: dict[int, Scene] = {}
    for place in range(count):
        read[place] = scenes[place]
        size = read[place].image.shape
        waiting.setdefault(size, []).append(place)
        if len(waiting[size]) < batch_size:
            if len(read) <= max(WAITING, batch_size):
                continue
            size = max(waiting, key=lambda size: len(waiting[size]))
        places = waiting.pop(size)
        yield places, Scene.cat([read.pop(i) for i in places])
    for places in waiting.values():
        yield places, Scene.cat([read.pop(i) for i in places])


class Guarded(torch.utils.data.Dataset):
    """A dataset that waits for files which are gone for a while, as those of a network disk may be.

    UserErrors are returned: raised in a worker they would be a traceback.
    """

    def __init__(self, dataset: BaseDataset, patience: float, reading: "Reading"):
        self.dataset = dataset
        self.patience = patience
        self.reading = reading

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, draw: Draw) -> dict[str, Scene] | UserError:
        self.reading.note(draw)
        end, pause = time.monotonic() + self.patience, PAUSES[0]
        while True:
            try:
                return self.dataset[draw]
            except UnreadableError as error:
                too_late = time.monotonic() + pause > end or self.reading.stopped_waiting()
                if not error.gone or too_late:
                    return error
                if pause == PAUSES[0]:
                    told = f"{error.reason}; waiting for it, up to {self.patience:g} s"
                    print(f"warning: {error.path}: {told}", file=sys.stderr)
            except UserError as error:
                return error
            self.reading.sleep(pause)
            pause = min(2 * pause, PAUSES[1])


class Reading:
    """What each loader process is reading, and whether the run is at its end: in shared memory."""

    FIELDS = 4  # process, epoch, place, index

    def __init__(self, processes: int):
        self.shared = multiprocessing.RawArray("q", self.FIELDS * processes)
        self.ends = multiprocessing.RawValue("b", 0)
        self.impatient = multiprocessing.RawValue("b", 0)
        atexit.register(self.end_run)  # comes before multiprocessing ends its processes

    def end_run(self) -> None:
        self.ends.value = 1

    def stop_waiting(self) -> None:
        """From now on no file is waited for."""
        self.impatient.value = 1

    def stopped_waiting(self) -> bool:
        return bool(self.impatient.value)

    def sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stopped_waiting():
            time.sleep(0.1)

    def run_ends(self) -> bool:
        return bool(self.ends.value)

    def note(self, draw: Draw) -> None:
        if worker := get_worker_info():
            start = self.FIELDS * worker.id
            self.shared[start : start + self.FIELDS] = [os.getpid(), *astuple(draw)]

    def of_processes(self, text: str) -> list[Draw]:
        """The draws of those processes whose numbers stand in the text."""
        numbers = set(map(int, re.findall(r"\d+", text)))
        rows = [self.shared[i : i + self.FIELDS] for i in range(0, len(self.shared), self.FIELDS)]
        return [Draw(*row[1:]) for row in rows if row[0] in numbers]


def ignore_signals_in_workers(reading: Reading, _) -> None:
    """In a loader process: ignore SIGINT, and SIGTERM until the run ends.

    Terminals and clusters send both to all processes; it is the run that ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0) if reading.run_ends() else None)


def restore_default_sigchld() -> None:
    """Take away PyTorch's handler of dead worker processes.

    It would raise in the middle of a step, whose work could then not be saved. Without it `next`
    raises, between two steps.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class Parcel:
    """A batch on its way out of a loader process, as arrays, which travel in one message.

    Each tensor would travel as a handle to shared memory of its own: six of them cost about 5 ms.
    """

    def __init__(self, batch: dict[str, Scene]):
        self.batch = {
            domain: scene.map(lambda tensor: pack_bits(tensor.numpy()))
            for domain, scene in batch.items()
        }

    def open(self) -> dict[str, Scene]:
        return {
            domain: scene.map(lambda packed: torch.from_numpy(unpack_bits(*packed)))
            for domain, scene in self.batch.items()
        }

    def pin_memory(self) -> dict[str, Scene]:
        return {domain: scene.pin_memory() for domain, scene in self.open().items()}


def pack_bits(array: np.ndarray) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """A bool array as bits and its shape; any other as it is, and None."""
    return (np.packbits(array), array.shape) if array.dtype == bool else (array, None)


def unpack_bits(array: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """What `pack_bits` was given."""
    if shape is None:
        return array
    return np.unpackbits(array, count=math.prod(shape)).view(bool).reshape(shape)


def collate(samples: list) -> dict[str, Scene] | Parcel | UserError:
    """One batch per domain, the sets padded to the largest."""
    for sample in samples:
        if isinstance(sample, UserError):
            return sample
    batch = {domain: [sample[domain] for sample in samples] for domain in samples[0]}
    for scenes in batch.values():
        odd = [scene for scene in scenes if scene.image.shape != scenes[0].image.shape]
        if odd:
            return UserError(
                f"{scenes[0].names[0]} and {odd[0].names[0]} have different sizes and cannot "
                "share a batch: use --batch_size 1 or --resize_or_crop resize_and_crop"
            )
    joined = {domain: Scene.cat(scenes) for domain, scenes in batch.items()}
    return Parcel(joined) if get_worker_info() else joined
