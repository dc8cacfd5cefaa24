"""What a result was made by: command, versions, date."""

import json
import os
import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

STARTS = "starts.jsonl"


def typed_command() -> str:
    """What started this process, as it can be typed again."""
    return f"python {shlex.join(sys.argv)}"


def versions() -> dict[str, str]:
    """Of what numbers depend on."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": metadata.version("torchvision"),
    }


def note_start(folder: Path, device: torch.device, total: int) -> None:
    """Append to a run's `starts.jsonl` where it is started, and after how many pictures."""
    line = json.dumps({"total": total, **environment(device)})
    try:
        with open(folder / STARTS, "a+b") as file:
            torn = file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            file.write(b"\n" * bool(torn) + line.encode() + b"\n")
    except OSError as error:
        print(f"note: {folder / STARTS}: {error}; the run goes on")


def environment(device: torch.device) -> dict[str, object]:
    """All that the numbers of a run depend on but for its options and data."""
    return {
        "date": now(),
        "command": typed_command(),
        "versions": versions(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "commit": commit(),
    }


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


@cache
def processor() -> str:
    """The processor's name, as far as the system tells it, and what PyTorch uses of it."""
    name = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    return f"{name or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def commit() -> str | None:
    """The commit of this code, with a plus if files have been changed since; None without git."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [*words, "--dirty=+", "--exclude=*"], capture_output=True, text=True, timeout=10
        )
        return done.stdout.strip() or None
    return None


def now() -> str:
    """Date and time to the minute."""
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
