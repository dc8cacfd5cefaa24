"""The loop over steps and epochs, and what is logged, shown and saved on the way."""

import time
from collections.abc import Iterator
from typing import NoReturn

from tqdm import tqdm

from loggers import Loggers, make_record
from training.checkpoint import Checkpoints
from training.device import memory_facts
from training.distributed import FlagExchange, call_in_main, from_main, share, world_size
from training.interruption import Interruption, name_of
from training.progress import Progress, StepTimer
from training.recovery import Recovery, RolledBack, place
from util.errors import UserError


class Trainer:
    """Takes steps until the run has had its epochs, or a signal asks for an end.

    It knows the contract of `BaseModel` and of `SceneLoader`, and no model in particular.
    """

    def __init__(
        self,
        opt,
        loader,
        model,
        checkpoints: Checkpoints,
        progress: Progress,
        loggers: Loggers,
        interruption: Interruption,
        validation,
    ):
        self.opt = opt
        self.loader = loader
        self.model = model
        self.checkpoints = checkpoints
        self.progress = progress
        self.loggers = loggers
        self.interruption = interruption
        self.validation = validation
        self.epochs = opt.niter + opt.niter_decay
        self.timer = StepTimer()
        self.clock = SaveClock(opt.save_minutes)
        self.flags = FlagExchange()
        self.recovery = Recovery(opt.on_nan, model, checkpoints, progress)

    def train(self) -> None:
        """All epochs that are left. Raises SystemExit when a signal came."""
        if self.validation.every and not self.progress.total:
            self.validate(0)
        while self.progress.epoch <= self.epochs:
            try:
                self.train_epoch()
            except RolledBack:
                continue
            self.end_epoch()
        if not self.epochs:
            self.save("latest")  # what the run began with, such as networks of several others

    def train_epoch(self) -> None:
        """What is left of the epoch. Raises RolledBack."""
        for batch in self.batches():
            self.timer.data_ready()
            broken = self.step(batch)
            stop, minutes, broken = self.flags.exchange(
                self.interruption.number, self.clock.due(), broken
            )
            saves = stop or minutes or self.progress.due(self.opt.save_latest_freq)
            self.recover(broken or (saves and self.broken_step()))
            self.log(stop)
            if saves:
                self.save_on_the_way(stop)
            self.timer.forget()
        self.recover(self.broken_step())

    def batches(self) -> Iterator[dict]:
        """The rest of the epoch. If no more can be read, what was learnt is saved first."""
        try:
            yield from self.loader.epoch(self.progress.epoch, skip=self.progress.images)
        except UserError as error:
            # Others that train along are in the middle of a step, and cannot save with this one.
            if world_size() > 1 or not self.progress.total or self.broken_step():
                raise
            self.save("latest")
            if stop := self.interruption.number:
                self.leave(stop)
            if not self.checkpoints.written():
                raise
            raise UserError(f"{error}; all until then is saved, --continue_train goes on") from None

    def broken_step(self) -> int:
        """The same as `step` returns, of all processes and up to now, for which it waits.

        Nothing may be saved that came of a broken update.
        """
        broken = self.model.guard.settled()
        return max(share(0 if broken is None else 1 + broken))

    def recover(self, broken: int) -> None:
        if broken:
            self.flags.drop()
            self.recovery.recover(broken - 1)

    def step(self, batch) -> int:
        """Train on a batch; 0, or 1 + the number of a step with an update that was not made.

        Steps are numbered by the pictures before them.
        """
        broken = None
        pictures = self.loader.batch_after(self.progress.images)
        if self.progress.total not in self.recovery.left_out:
            broken = self.model.step(batch, self.progress.total, pictures)
        self.progress.advance(pictures)
        self.timer.step_done(self.progress.step)
        return 0 if broken is None else 1 + broken

    def log(self, stop: int) -> None:
        self.loggers.step(self.progress)
        at_end = self.loader.is_over(self.progress.images) and self.reports_at_end()
        if self.progress.due(self.opt.print_freq) and (stop or not at_end):
            self.report()
        self.loggers.pictures(self.progress)

    def report(self) -> None:
        """Hand losses, facts and new scores to the loggers."""
        facts = facts_of(self.model, self.timer) | self.validation.news()
        if alarms := self.loader.watch.alarms:
            facts["alarms"] = alarms
        record = make_record(self.progress, self.model.get_current_losses(), facts)
        self.loggers.report(self.progress, record)

    def save_on_the_way(self, stop: int) -> None:
        """A checkpoint inside the epoch: after so many pictures or minutes, or as a last one."""
        self.save(f"iter_{self.progress.total}" if self.opt.save_by_iter else "latest")
        if stop:
            self.leave(stop)

    def leave(self, signal: int) -> NoReturn:
        """End the run after a save, as a signal asked for."""
        self.checkpoints.finish(patience=0)
        from_main(None)  # nobody leaves before process 0 has written
        where = place(self.progress)
        print(f"stopped by {name_of(signal)} at {where}; saved: --continue_train goes on there")
        raise SystemExit(128 + signal)

    def save(self, *labels: str) -> None:
        self.checkpoints.save(self.model, self.progress, *labels)
        self.clock.reset()

    def end_epoch(self) -> None:
        finished, last = self.progress.epoch, self.progress.epoch == self.epochs
        if self.validation.due(finished):
            self.validate(finished)
        alarmed = "masks" in self.model.needs and self.loader.watch.end_epoch()
        if self.model.losses and (alarmed or self.reports_at_end()):
            self.report()
        if last:
            self.loggers.pictures(self.progress, last=True)
        self.progress.end_epoch()
        self.model.update_learning_rate()
        if last or finished % self.opt.save_epoch_freq == 0:
            self.save("latest", str(finished))

    def reports_at_end(self) -> bool:
        """Whether the end of this epoch has a report: one with scores, or the last."""
        return self.validation.due(self.progress.epoch) or self.progress.epoch == self.epochs

    def validate(self, epoch: int) -> None:
        """Score the weights on the validation pictures, and keep them if they are the best.

        The state is saved first: a run that is stopped while it scores goes on from there, and
        scores again.
        """
        self.save("latest")
        if not self.checkpoints.written():
            tqdm.write(f"warning: no validation after epoch {epoch}, for nothing can be saved")
            return
        better, stop = call_in_main(
            lambda: (self.validation.score(epoch), self.interruption.number)
        )
        if better:
            self.save("best")
            if not self.checkpoints.written():
                self.validation.forget_best()
        if stop:
            if self.model.losses:
                self.report()
            self.leave(stop)
        self.timer.forget()


def facts_of(model, timer: StepTimer) -> dict:
    """Speed, memory, learning rates, and what the model itself tells."""
    facts = timer.read() | memory_facts(model.device) | {"lr": model.learning_rates()}
    return facts | model.get_current_facts()


class SaveClock:
    """Whether so many minutes have passed since the last save; None: never."""

    def __init__(self, minutes: float | None):
        self.seconds = None if minutes is None else 60 * minutes
        self.reset()

    def reset(self) -> None:
        self.since = time.monotonic()  # which no change of the wall clock moves

    def due(self) -> bool:
        return self.seconds is not None and time.monotonic() - self.since >= self.seconds
