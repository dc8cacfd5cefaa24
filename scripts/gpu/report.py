"""What the checks found, for programs and for people."""

import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.train_step import table as speed_table
from scripts.reproduce.tables import markdown
from util.command_line import aligned
from util.errors import UserError
from util.files import write_json, write_text
from util.stamp import commit, device_name, now, versions

STATUS = ("passed", "failed", "skipped")
HEADER = ("check", "status", "s", "detail")


@dataclass(frozen=True)
class Result:
    """What became of a check; status is passed, failed or skipped."""

    name: str
    status: str
    seconds: float
    detail: str
    figures: dict | None = None


def machine(dry: bool) -> dict:
    """What the figures depend on. Raises UserError if the GPU cannot be used at all."""
    try:
        device = device_name(torch.device("cpu" if dry else "cuda"))
    except RuntimeError as error:
        raise UserError(f"CUDA does not start here: {cell(str(error))}") from None
    return {
        "date": now(),
        "commit": commit(),
        "dry": dry,
        "device": device,
        "gpus": 0 if dry else torch.cuda.device_count(),
        "driver": None if dry else driver(),
        **versions(),
        "cuda": torch.version.cuda,
    }


def driver() -> str | None:
    """The version of NVIDIA's driver, as far as nvidia-smi tells it."""
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError, IndexError):
        done = subprocess.run(words, capture_output=True, text=True, timeout=10)
        return done.stdout.split()[0]
    return None


def write(out: Path, here: dict, results: Sequence[Result]) -> None:
    """Write check_gpu.json and check_gpu.md."""
    checks = [asdict(result) for result in results]
    figures = [own for check in checks if (own := check.pop("figures"))]
    write_json(out / "check_gpu.json", here | {"checks": checks, "speed": figures})
    write_text(out / "check_gpu.md", page(here, results))


def page(here: dict, results: Sequence[Result]) -> str:
    """Tables for docs/performance.md."""
    parts = [described(here), markdown(HEADER, rows(results))]
    if speed := speed_rows(results):
        parts.append(markdown(speed[0], speed[1:]))
    return "\n\n".join(parts) + "\n"


def for_terminal(results: Sequence[Result]) -> str:
    """The same tables, the columns under one another."""
    parts = [aligned([HEADER, *rows(results)])]
    if speed := speed_rows(results):
        parts.append(aligned(speed))
    return "\n\n".join(parts)


def described(here: dict) -> str:
    """The machine and the versions in one line."""
    several = f"{here['gpus']} x " if here["gpus"] > 1 else ""
    parts = [f"{several}{here['device']}", f"driver {here['driver']}" if here["driver"] else ""]
    parts += [f"torch {here['torch']}", f"CUDA {here['cuda']}" if here["cuda"] else ""]
    parts += [f"Python {here['python']}", f"commit {(here['commit'] or 'unknown')[:10]}"]
    parts += [here["date"], "a dry run on the CPU" if here["dry"] else ""]
    return ", ".join(filter(None, parts)) + "."


def rows(results: Sequence[Result]) -> list[list[str]]:
    return [[x.name, x.status, f"{x.seconds:.0f}", cell(x.detail)] for x in results]


def cell(text: str) -> str:
    """A text that does not break a table."""
    return re.sub(r"\s+", " ", text).replace("|", "/")


def speed_rows(results: Sequence[Result]) -> list[list[str]]:
    """Header and rows of the speed table; empty if nothing was timed."""
    found = [result.figures for result in results if result.figures]
    return speed_table(found) if found else []
