"""What is checked on a machine with GPUs: a list of checks, each a command or a few."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch

import models
from loggers.records import FILE, Record, read_records
from options.device_options import device_problems
from options.train_options import TrainOptions
from scripts.gpu.job import Failed, Job, Skipped
from scripts.gpu.saved import same_tensors
from training.precision import PRECISIONS
from util.errors import UserError, did_you_mean

ROOT = Path(__file__).resolve().parents[2]
DRAW = ROOT / "datasets" / "generate_shapes_dataset.py"
TRAIN = ROOT / "train.py"
SPEED = ROOT / "benchmarks" / "train_step.py"

DATA = "--size 32 --train 8 --test 2 --max_instances 3"
TINY = (
    "--load_size 32 --crop_size 32 --ngf 8 --ndf 8 --n_blocks 1 --niter_decay 0 --logger none "
    "--no_html --print_freq 1"
)
RANDOM = "--dropout --pool_size 2 --set_order random --batch_size 2 --niter 2 --deterministic"
RESUMED = {
    "plain": RANDOM,
    "graphs": f"{RANDOM} --cuda_graphs",
    "recipe": f"{RANDOM} --paste 0 --paste_on fill --ema 8 --diffaug color,translation,cutout",
}
PARALLEL = "--niter 1 --ins_per 1 --ins_max 2"
ONE_SHAPE = "--niter 1 --ins_per 1 --ins_max 1 --max_dataset_size 4"

# Of the speed table: the options, the batches and the precisions, what is quick first.
TIMED = "--size 200 --ngf 64", (1, 4, 16), ("bf16", "graphs", "tf32", "fp32")
TIMED_DRY = "--size 32 --ngf 4 --n_blocks 1 --instances 2 --steps 1", (1, 4), ("fp32",)


@dataclass(frozen=True)
class Check:
    """Something to check, in at most `limit` seconds.

    name is GROUP or GROUP/WHICH. run gives one line of detail, or raises Failed or Skipped.
    why_not says why it cannot be made here; empty if it can.
    """

    name: str
    limit: float
    run: Callable[[Job], str]
    why_not: str = ""


def all_checks(dry: bool, asked: Sequence[str] = ()) -> list[Check]:
    """Every check in order; asked are the names that were typed."""
    return [
        *step_checks(dry),
        *graph_checks(dry),
        *resume_checks(dry),
        *parallel_checks(),
        Check("compile", 120, compiled, why_not_compiled(dry, asked)),
        Check("tests", 120, tests, "" if find_spec("pytest") else missing_pytest()),
        layout_check(dry),
        *speed_checks(dry),
    ]


def chosen(checks: Sequence[Check], only: Sequence[str]) -> list[Check]:
    """The checks of these names or groups, all if there are none. Raises UserError."""
    for word in only:
        if not any(is_of(check, word) for check in checks):
            known = {own.name if "/" in word else own.name.split("/")[0] for own in checks}
            raise UserError(f"--only {word}: there is no such check; {did_you_mean(word, known)}")
    return [check for check in checks if not only or any(is_of(check, word) for word in only)]


def is_of(check: Check, word: str) -> bool:
    return f"{check.name}/".startswith(f"{word}/")


# ---- every model in every precision


def step_checks(dry: bool) -> Iterator[Check]:
    for model in models.names():
        for precision in PRECISIONS:
            opt = Namespace(precision=precision, gpu_ids=[] if dry else [0], compile=False)
            why_not = next(device_problems(opt), "")
            run = partial(steps, f"--model {model} --precision {precision}")
            yield Check(f"steps/{model}/{precision}", 90, run, why_not)


def steps(words: str, job: Job) -> str:
    """Two steps are taken, and their losses are finite."""
    train(job, f"--name steps --niter 1 --max_dataset_size 2 {words}")
    records = finite_losses(job, "steps")
    return f"{len(records)} steps, all {len(records[-1]['losses'])} losses are finite"


def graph_checks(dry: bool) -> Iterator[Check]:
    """Every model by CUDA graphs: of one batch, so that every step has the same shapes."""
    opt = Namespace(precision="bf16", gpu_ids=[] if dry else [0], compile=False, cuda_graphs=True)
    why_not = next(device_problems(opt), "")
    for model in models.names():
        words = f"--model {model} --precision bf16 --niter 5 --max_dataset_size 2 --batch_size 2"
        yield Check(f"graphs/{model}", 90, partial(graphs, words), why_not)


def graphs(words: str, job: Job) -> str:
    """Updates are launched as graphs, and their losses are finite."""
    said = train(job, f"--name graphs --cuda_graphs {words}")
    lines = [line.strip() for line in said.splitlines()]
    notes = [line for line in lines if line.startswith("note:") and "graph" in line.lower()]
    if not notes or not all("CUDA graphs are used" in note for note in notes):
        raise Failed("; ".join(notes) or "no graph was made")
    return f"{len(finite_losses(job, 'graphs'))} steps, {notes[0].removeprefix('note: ')}"


def train(job: Job, words: str, *launcher: str, **how) -> str:
    """Train tiny networks on a few drawn pictures; returns what was printed."""
    data = job.folder / "data"
    if not data.is_dir():
        job.python(DRAW, "--save_root", data, *DATA.split())
    place = [] if launcher else ["--gpu_ids", job.device]
    tiny = TrainOptions().known(TINY.split(), words.split())
    return job.python(*launcher, TRAIN, "--dataroot", data, *tiny, *place, *words.split(), **how)


def run_of(job: Job, name: str) -> Path:
    return job.folder / "checkpoints" / name


def finite_losses(job: Job, name: str) -> list[Record]:
    """All reports of a run. Raises Failed if there is none, or a loss that is not finite."""
    records = read_records(run_of(job, name) / FILE)
    if not records or not records[-1]["losses"]:
        raise Failed("it wrote no losses")
    bad = {loss for own in records for loss, value in own["losses"].items() if value is None}
    if bad:
        raise Failed(f"not finite: loss {', '.join(sorted(bad))}")
    return records


# ---- stopped and continued


def resume_checks(dry: bool) -> Iterator[Check]:
    for kind, words in RESUMED.items():
        why_not = "graphs are for GPUs" if dry and kind == "graphs" else ""
        yield Check(f"resume/{kind}", 120, partial(resume, words), why_not)


def resume(words: str, job: Job) -> str:
    """A run that a SIGTERM stops and that goes on has the numbers of an unbroken one."""
    train(job, f"--name whole {words}")
    log = run_of(job, "parts") / FILE
    try:
        train(job, f"--name parts {words}", expected=143, stop_when=lambda: len(read_records(log)))
    except Failed as error:
        raise Failed(f"the run that SIGTERM should stop {error}") from None
    stopped = read_records(log)[-1]["total"]
    train(job, f"--name parts --continue_train {words}")
    pictures = finite_losses(job, "parts")[-1]["total"]
    count = same_tensors(run_of(job, "whole"), run_of(job, "parts"))
    return f"stopped after {stopped} of {pictures} pictures: {count} saved tensors are equal"


# ---- several GPUs


def parallel_checks() -> list[Check]:
    count = torch.cuda.device_count()
    why_not = "" if count > 1 else f"two GPUs are needed, PyTorch sees {count}"
    return [
        Check("parallel/DataParallel", 90, data_parallel, why_not),
        Check("parallel/torchrun", 90, torchrun, why_not),
    ]


def data_parallel(job: Job) -> str:
    train(job, f"--name parallel --batch_size 4 --gpu_ids 0,1 {PARALLEL}")
    return f"{len(finite_losses(job, 'parallel'))} steps of one process on two GPUs"


def torchrun(job: Job) -> str:
    launcher = "-m torch.distributed.run --standalone --nproc_per_node 2".split()
    train(job, f"--name parallel --batch_size 2 {PARALLEL}", *launcher)
    return f"{len(finite_losses(job, 'parallel'))} steps of two processes, a GPU each"


# ---- compiling


def why_not_compiled(dry: bool, asked: Sequence[str]) -> str:
    return "on a CPU only with --only compile" if dry and "compile" not in asked else ""


def compiled(job: Job) -> str:
    """Tiny networks, one shape of the batch: the least there is to compile."""
    said = train(job, f"--name compiled --compile {ONE_SHAPE}")
    if notes := [line for line in said.splitlines() if "--compile does not work" in line]:
        raise Failed(notes[0].strip())
    times = [record["time"] for record in finite_losses(job, "compiled")]
    return f"tiny networks: the first step took {times[0]:.1f} s, the last {times[-1]:.3f} s"


# ---- tests


def missing_pytest() -> str:
    return "pytest is missing: pip install -r requirements-dev.txt"


def tests(job: Job) -> str:
    """The tests that are marked gpu. Where there is a GPU, none may be left out."""
    every = sorted(ROOT.glob("tests/test_*.py"))
    files = [path for path in every if "mark.gpu" in path.read_text()]
    aside = ["-p", "no:cacheprovider", "--basetemp", job.folder / "tests"]
    said = job.python("-m", "pytest", "-m", "gpu", *aside, *files)
    summary = said.strip().splitlines()[-1]
    if "skipped" in summary:
        raise (Skipped if job.device == "-1" else Failed)(summary)
    return summary


# ---- speed


def speed_checks(dry: bool) -> Iterator[Check]:
    words, batches, precisions = TIMED_DRY if dry else TIMED
    for batch in batches:
        for precision in precisions:
            way = "bf16 --cuda_graphs" if precision == "graphs" else precision
            run = partial(speed, f"{words} --batch_size {batch} --precision {way}")
            yield Check(f"speed/{precision}/{batch}", 90, run)


def speed(words: str, job: Job) -> str:
    """How long a step takes."""
    job.figures = measured(words, job)
    rate, peak = (job.figures[name] for name in ("pictures_per_second", "peak_megabytes"))
    return f"{job.figures['seconds_per_step']:.3g} s a step, {rate:.3g} pictures/s, {peak:.0f} MB"


def measured(words: str, job: Job) -> dict:
    """The figures of one configuration. A batch that does not fit into the memory is no failure."""
    file = job.folder / "figures.json"
    try:
        job.python(SPEED, *words.split(), "--gpu_ids", job.device, "--json", file)
    except Failed as error:
        if "out of memory" in str(error):
            raise Skipped("there is not enough memory for this batch") from None
        raise
    (figures,) = json.loads(file.read_text())
    return figures


# ---- layouts


def layout_check(dry: bool) -> Check:
    words, _, _ = TIMED
    run = partial(layout, f"{words} --batch_size 4 --precision bf16 --steps 1")
    opt = Namespace(precision="bf16", gpu_ids=[] if dry else [0], compile=False)
    why_not = "layouts are converted on a GPU alone" if dry else next(device_problems(opt), "")
    return Check("layout/bf16", 90, run, why_not)


def layout(words: str, job: Job) -> str:
    """Tensors lie in memory as convolutions want them: none is converted in a step."""
    figures = measured(words, job)
    if not (count := figures.get("kernels")):
        raise Failed("PyTorch's profiler sees no kernels here")
    if conversions := figures["layout_conversions"]:
        raise Failed(f"{conversions} of {count} kernels convert layouts")
    return f"none of {count} kernels converts a layout"
