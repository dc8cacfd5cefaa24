#!/usr/bin/env python3
"""Check this project on a machine with one or more GPUs, in at most 8 minutes.

    bash scripts/check_gpu.sh                       # everything; results in ./check_gpu
    bash scripts/check_gpu.sh OUT --only steps/insta_gan,resume
    bash scripts/check_gpu.sh --dry                 # on the CPU: does this script itself work?

Every model takes steps in every precision (steps); a run that is stopped and continued equals an
unbroken one to the bit (resume); two GPUs train together (parallel); --compile trains (compile);
the tests that need a GPU pass (tests); how long a training step takes (speed). Each check has a
time limit and processes of its own, and one that fails stops no other. OUT gets check_gpu.json,
check_gpu.md with the tables for docs/performance.md, and in logs what failing checks printed.
The exit code is 1 if a check failed.
"""

import argparse
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.gpu.job import PATIENCE, Failed, Job, OutOfTime, Skipped
from util.command_line import OneLineParser
from util.errors import UserError, command

LEAST = 5.0  # seconds: with less time left no check is begun


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    refuse_missing_packages()
    import torch  # these need what may be missing

    from scripts.gpu import checks, report

    if not args.dry and not torch.cuda.is_available():
        raise UserError("PyTorch sees no GPU here (CUDA): --dry runs these checks on the CPU")
    wanted = checks.chosen(checks.all_checks(args.dry, args.only), args.only)
    here, results = report.machine(args.dry), []
    make_ready(args.out)
    with ended_by_sigterm():
        for result in run_all(wanted, args):
            results.append(result)
            print(f"{result.name}: {result.status} after {result.seconds:.1f} s", flush=True)
            report.write(args.out, here, results)
    print(f"\n{report.described(here)}\n\n{report.for_terminal(results)}\n")
    counts = {kind: sum(x.status == kind for x in results) for kind in report.STATUS}
    print(f"{', '.join(f'{n} {kind}' for kind, n in counts.items())}: {args.out}/check_gpu.md")
    raise SystemExit(1 if counts["failed"] else 0)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("out", type=Path, nargs="?", default=Path("check_gpu"), help="folder of the results")
    add("--only", default="", metavar="NAME,…", help="groups or names of checks (default: all)")
    add("--minutes", type=float, default=8.0, help="time for all checks together (default 8)")
    add("--dry", action="store_true", help="on the CPU, in about two minutes")
    args = parser.parse_args(argv)
    args.only = [word.strip("/ ") for word in args.only.split(",") if word.strip("/ ")]
    if args.minutes <= 0:
        raise UserError(f"--minutes {args.minutes}: more than 0")
    if args.out.exists() and not args.out.is_dir():
        raise UserError(f"{args.out} is a file: name a folder for the results")
    return args


def refuse_missing_packages() -> None:
    """Raises UserError if a package of requirements.txt is missing."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    names = [found[0] for line in lines if (found := re.match(r"[\w-]+", line))]
    if missing := [name for name in names if not is_installed(name)]:
        raise UserError(
            f"{', '.join(missing)} missing: {sys.executable} -m pip install -r "
            f"{ROOT / 'requirements.txt'}"
        )


def is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def make_ready(out: Path) -> None:
    """Make the folder, and take away what an earlier call left there."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("check_gpu.json", "check_gpu.md"):
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "logs", ignore_errors=True)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """A SIGTERM ends the block as an exception does, so that no process is left behind."""

    def leave(*_) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_all(wanted: Sequence, args: argparse.Namespace) -> Iterator:
    """The result of every check, in order, within the time for all."""
    until = time.monotonic() + 60 * args.minutes - PATIENCE
    with tempfile.TemporaryDirectory(prefix="check_gpu_", ignore_cleanup_errors=True) as work:
        for check in wanted:
            yield run(check, args, Path(work) / check.name, until)


def run(check, args: argparse.Namespace, folder: Path, until: float):
    """The result of one check. Its log is kept if it failed."""
    from scripts.gpu.report import Result

    begin = time.monotonic()
    if check.why_not or until - begin < LEAST:
        return Result(check.name, "skipped", 0.0, check.why_not or "no time left")
    log = args.out.resolve() / "logs" / f"{check.name.replace('/', '-')}.log"
    job = Job(folder, log, min(check.limit, until - begin), "-1" if args.dry else "0")
    status, detail = verdict(check, job, cut=until - begin < check.limit)
    shutil.rmtree(folder, ignore_errors=True)
    if status != "failed":
        log.unlink(missing_ok=True)
        if not any(log.parent.iterdir()):
            log.parent.rmdir()
    return Result(check.name, status, time.monotonic() - begin, detail, job.figures)


def verdict(check, job: Job, cut: bool) -> tuple[str, str]:
    """Status and detail. `cut` says that the time for all is over before the check's own."""
    try:
        return "passed", check.run(job)
    except Skipped as why:
        return "skipped", str(why)
    except OutOfTime:
        if cut:
            return "skipped", "no time left: it was ended"
        return "failed", f"not finished in {check.limit:.0f} s"
    except Failed as why:
        return "failed", str(why)
    except Exception as error:  # whatever it is, the other checks go on
        with open(job.log, "a") as log:
            traceback.print_exc(file=log)
        return "failed", f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main(sys.argv[1:])
