"""The loop over steps and epochs, and what is logged, shown and saved on the way."""

import time

from util.checkpoint import Checkpoints
from util.device import memory_facts
from util.distributed import Agreement, from_main, is_main
from util.interruption import Interruption, name_of
from util.loggers import Loggers, make_record
from util.progress import Progress, StepTimer
from util.recovery import Recovery, RolledBack, place


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
        self.agreement = Agreement()
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

    def train_epoch(self) -> None:
        """What is left of the epoch. Raises RolledBack."""
        for batch in self.loader.epoch(self.progress.epoch, skip=self.progress.images):
            self.timer.data_ready()
            broken = self.step(batch)
            stop, minutes, broken = self.agreement.reach(
                self.interruption.number, self.clock.due(), broken
            )
            if broken:
                self.agreement.forget()
                self.recovery.recover(broken - 1)
            self.log()
            self.save_on_the_way(stop, minutes)
            self.timer.forget()

    def step(self, batch) -> int:
        """Train on a batch; 0, or 1 + the number of a step with an update that was not made.

        Steps are numbered by the pictures before them.
        """
        broken = None
        if self.progress.total not in self.recovery.left_out:
            broken = self.model.step(batch, self.progress.total)
        self.progress.advance(self.loader.batch_after(self.progress.images))
        self.timer.step_done(self.progress.step)
        return 0 if broken is None else 1 + broken

    def log(self) -> None:
        self.loggers.step(self.progress)
        if self.progress.due(self.opt.print_freq):
            self.report()
        self.loggers.pictures(self.progress)

    def report(self) -> None:
        """Hand losses, speed, memory, learning rates and the model's own facts to the loggers."""
        model = self.model
        facts = self.timer.read() | memory_facts(model.device) | {"lr": model.learning_rates()}
        facts |= model.get_current_facts()
        record = make_record(self.progress, model.get_current_losses(), facts)
        self.loggers.report(self.progress, record)

    def save_on_the_way(self, stop: int, minutes: int) -> None:
        """A checkpoint inside the epoch: after so many pictures or minutes, or as a last one."""
        if stop or minutes or self.progress.due(self.opt.save_latest_freq):
            by_iter = self.opt.save_by_iter
            self.save(f"iter_{self.progress.total}" if by_iter else "latest")
        if stop:
            self.checkpoints.finish(patience=0)
            from_main(None)  # nobody leaves before process 0 has written
            where = place(self.progress)
            print(f"stopped by {name_of(stop)} at {where}; saved: --continue_train goes on there")
            raise SystemExit(128 + stop)

    def save(self, *labels: str) -> None:
        self.checkpoints.save(self.model, self.progress, *labels)
        self.clock.reset()

    def end_epoch(self) -> None:
        finished, last = self.progress.epoch, self.progress.epoch == self.epochs
        if last:
            if self.model.losses and not self.progress.due(self.opt.print_freq):
                self.report()
            self.loggers.pictures(self.progress, last=True)
        self.progress.end_epoch()
        self.model.update_learning_rate()
        if last or finished % self.opt.save_epoch_freq == 0:
            self.save("latest", str(finished))
        if self.validation.due(finished):
            self.validate(finished)

    def validate(self, epoch: int) -> None:
        """Score the weights on the validation pictures, and keep them if they are the best."""
        self.save("latest")
        self.checkpoints.finish()
        if from_main(is_main() and self.validation.score(epoch)):
            self.save("best")


class SaveClock:
    """Whether so many minutes have passed since the last save; None: never."""

    def __init__(self, minutes: float | None):
        self.seconds = None if minutes is None else 60 * minutes
        self.reset()

    def reset(self) -> None:
        self.since = time.monotonic()  # which no change of the wall clock moves

    def due(self) -> bool:
        return self.seconds is not None and time.monotonic() - self.since >= self.seconds
