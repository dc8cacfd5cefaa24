"""Options of training."""

from collections.abc import Sequence
from pathlib import Path

from options.base_options import BaseOptions, run_folder, run_name
from options.logger_options import add_logger_arguments, complete_loggers, logger_problems
from training.checkpoint import Checkpoints
from training.schedules import POLICIES
from util.errors import did_you_mean

NOT_NEGATIVE = ("data_patience", "lr")
COUNTS = ("niter", "niter_decay", "keep_last", "eval_epoch_freq")
ON_NAN = ("stop", "skip", "rollback")
POSITIVE = (
    "print_freq",
    "display_freq",
    "update_html_freq",
    "save_latest_freq",
    "save_epoch_freq",
    "epoch_count",
    "lr_decay_iters",
    "accumulate",
    "dist_timeout",
)


class TrainOptions(BaseOptions):
    """Flags of `train.py`."""

    is_train = True
    description = "Train a model on two folders of pictures with instance masks."

    def add_arguments(self, parser) -> None:
        super().add_arguments(parser)
        group = parser.group("the run")
        group.add_argument(
            "--phase", default="train", help="which folders to train on: PHASEA, PHASEB"
        )
        group.add_argument(
            "--continue_train", action="store_true", help="go on where the run stopped"
        )
        group.add_argument(
            "--start_from",
            nargs="+",
            default=[],
            metavar="RUN[:EPOCH]",
            help="begin with the weights of another run, its name or folder: of all networks of "
            "the same names, for a second phase or fine-tuning; the rest starts fresh. Of several "
            "runs each brings what those before it have not; with --niter 0 --niter_decay 0 that "
            "is all, and the weights are saved",
        )
        group.add_argument(
            "--resume",
            choices=("auto",),
            help="auto: go on if the run has begun, else begin: one command for both",
        )
        group.add_argument(
            "--overwrite",
            action="store_true",
            help="begin anew in a folder that holds a run: its checkpoints go, its logs stay as "
            "old_*",
        )
        group.add_argument("--epoch_count", type=int, default=1, help="number of the first epoch")
        self.add_optimization_arguments(parser.group("optimisation"))
        self.add_logging_arguments(parser.group("logs, pages and checkpoints"))
        parser.group("data").add_argument(
            "--data_patience",
            type=float,
            default=60,
            metavar="SECONDS",
            help="how long to wait for a file that is gone, as on a network disk (default 60)",
        )
        parser.group("device").add_argument(
            "--cuda_graphs",
            action="store_true",
            help="GPUs: losses and gradients of an update as one launch where shapes come again: "
            "for small batches; takes the memory of a step once more",
        )
        parser.group("device").add_argument(
            "--compress_gradients",
            action="store_true",
            help="processes exchange gradients in bfloat16, half the bytes: for slow networks",
        )
        parser.group("device").add_argument(
            "--dist_timeout",
            type=int,
            default=600,
            help="seconds that processes started by torchrun wait for one another",
        )

    def add_optimization_arguments(self, group) -> None:
        group.add_argument(
            "--niter", "--n_epochs", type=int, default=100, help="epochs at the full rate"
        )
        group.add_argument(
            "--niter_decay",
            "--n_epochs_decay",
            type=int,
            default=100,
            help="epochs of linear decay to 0",
        )
        group.add_argument("--lr", type=float, default=2e-4, help="learning rate")
        group.add_argument(
            "--lr_policy", choices=POLICIES, default="lambda", help="learning-rate schedule"
        )
        group.add_argument(
            "--lr_decay_iters", type=int, default=50, help="epochs between steps of `step`"
        )
        group.add_argument(
            "--accumulate",
            type=int,
            default=1,
            metavar="N",
            help="compute each batch in N parts and add their gradients up: the memory of "
            "batch_size / N, the numbers of batch_size",
        )
        group.add_argument(
            "--on_nan",
            choices=ON_NAN,
            default="stop",
            help="when a loss or gradient is not finite its update is never made; then stop, skip: "
            "go on with the next batch, rollback: go back to the last checkpoint and leave the "
            "batch out (default stop)",
        )
        group.add_argument(
            "--ema",
            type=float,
            default=0,
            metavar="PICTURES",
            help="keep averages beside the networks that translate: a step this many pictures ago "
            "weighs half; test.py and the validation take them; 0: none",
        )

    def add_logging_arguments(self, group) -> None:
        every = "every this many pictures"
        group.add_argument(
            "--print_freq", type=int, default=100, help=f"losses to the logs {every}"
        )
        group.add_argument(
            "--display_freq", type=int, default=400, help=f"pictures to --logger {every}"
        )
        group.add_argument(
            "--update_html_freq", type=int, default=1000, help=f"pictures to web/index.html {every}"
        )
        group.add_argument("--save_latest_freq", type=int, default=5000, help=f"checkpoint {every}")
        group.add_argument(
            "--save_minutes", type=float, metavar="M", help="and after this many minutes"
        )
        group.add_argument(
            "--save_epoch_freq", type=int, default=5, help="numbered checkpoint, in epochs"
        )
        group.add_argument(
            "--save_by_iter",
            action="store_true",
            help="name them iter_N and keep them all, not latest",
        )
        group.add_argument(
            "--keep_last",
            type=int,
            default=0,
            metavar="K",
            help="keep the last K numbered checkpoints (default 0: all)",
        )
        group.add_argument(
            "--eval_epoch_freq",
            type=int,
            default=0,
            metavar="N",
            help="score the validation pictures every N epochs by evaluate.py, and before the "
            "first (default 0: never)",
        )
        group.add_argument(
            "--eval_metric",
            metavar="NAME",
            help="score in metrics.json by which best_net_* are kept, such as mask_iou: those with "
            "the most of it, or the least where less is better",
        )
        group.add_argument(
            "--eval_phase", default="val", help="validation pictures: PHASEA, PHASEB"
        )
        group.add_argument("--no_html", action="store_true", help="no training page")
        add_logger_arguments(group)

    def inherited(self, first, model: type) -> Sequence[str]:
        """A run that goes on keeps its recipe: without it, it would go on by another method."""
        recipe = (*model.recipe_options, "ema")
        return recipe if goes_on(first, run_name(first)) else ()

    def complete(self, opt) -> None:
        super().complete(opt)
        complete_loggers(opt)
        opt.continue_train = goes_on(opt, opt.name)
        for side in "HW":
            if getattr(opt, f"loadSize{side}") is None:
                setattr(opt, f"loadSize{side}", 220)

    def problems(self, opt):
        yield from super().problems(opt)
        yield from logger_problems(opt)
        if opt.ema < 0:
            yield f"--ema {opt.ema}: must not be negative"
        yield from folder_problems(opt)
        yield from validation_problems(opt)
        if opt.save_minutes is not None and not opt.save_minutes > 0:
            yield f"--save_minutes {opt.save_minutes}: more than 0"
        for flag in (*POSITIVE, *COUNTS):
            least = int(flag in POSITIVE)
            if getattr(opt, flag) < least:
                yield f"--{flag} {getattr(opt, flag)}: at least {least}"
        for flag in NOT_NEGATIVE:
            if getattr(opt, flag) < 0:
                yield f"--{flag} {getattr(opt, flag)}: must not be negative"
        if opt.accumulate > opt.batch_size >= 1:
            yield (
                f"--accumulate {opt.accumulate} parts need at least as many pictures: "
                f"--batch_size {opt.batch_size} is less"
            )
        if opt.lr_policy == "cosine" and opt.niter < 1:
            yield f"--niter {opt.niter}: --lr_policy cosine needs at least 1"
        joins = opt.start_from and opt.epoch_count == 1  # no epoch at all: other runs' weights
        if opt.niter + opt.niter_decay < opt.epoch_count and not joins:
            yield (
                f"--epoch_count {opt.epoch_count} lies after the last epoch, "
                f"{opt.niter + opt.niter_decay}: raise --niter"
            )


def goes_on(opt, name: str) -> bool:
    """Whether to go on with the run of this name."""
    folder = Path(opt.checkpoints_dir) / name
    return opt.continue_train or (opt.resume == "auto" and Checkpoints(folder).has_state())


def folder_problems(opt):
    """What stands against writing into the run's folder."""
    new = not (opt.continue_train or opt.overwrite or opt.dry_run)
    if new and Checkpoints(run_folder(opt)).holds_run():
        yield (
            f"--name {opt.name}: {run_folder(opt)} holds a run: --continue_train goes on with "
            "it, --overwrite deletes it and begins anew, another --name keeps both"
        )
    if (root := Path(opt.checkpoints_dir)).exists() and not root.is_dir():
        yield f"--checkpoints_dir {root} is no folder"
    if opt.overwrite and (opt.continue_train or opt.resume):
        yield "--overwrite begins anew and --continue_train goes on: type one of them"


def validation_problems(opt):
    """What stands against scoring the weights while they are trained."""
    if opt.eval_metric and not opt.eval_epoch_freq:
        yield f"--eval_metric {opt.eval_metric}: say how often, --eval_epoch_freq N"
    if opt.eval_metric:
        yield from metric_problems(opt.eval_metric)
    if opt.eval_epoch_freq and opt.dataroot:
        folders = [Path(opt.dataroot) / f"{opt.eval_phase}{domain}" for domain in "AB"]
        if missing := [folder for folder in folders if not folder.is_dir()]:
            yield f"--eval_phase {opt.eval_phase}: {missing[0]} is not there"


def metric_problems(name: str):
    """What stands against keeping the best weights by this score."""
    from metrics.scores import RANKING, find_score  # not above: it imports torchvision, slowly

    if not (score := find_score(name)):
        yield f"--eval_metric {name}: there is no such score. {did_you_mean(name, RANKING)}"
    elif score.declared not in RANKING:
        yield (
            f"--eval_metric {name}: neither less nor more of it is better, so it cannot say which "
            "weights are the best: name another score, such as mask_iou"
        )
