"""What a result was made by: command, versions, date."""

import platform
import shlex
import sys
from datetime import datetime

import torch
import torchvision


def typed_command() -> str:
    """What started this process, as it can be typed again."""
    return f"python {shlex.join(sys.argv)}"


def versions() -> dict[str, str]:
    """Of what numbers depend on."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
    }


def now() -> str:
    """Date and time to the minute."""
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
