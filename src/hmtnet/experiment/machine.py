"""What this process computes on and with, as far as it can be asked without torch."""

import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hmtnet

if TYPE_CHECKING:
    import torch

VERSIONED = ("torch", "torchvision", "lightning", "torchmetrics", "timm", "kornia", "numpy")
"""The libraries that results may depend on."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results may depend on."""
    found = {package: version(package) for package in VERSIONED}
    return {"python": platform.python_version(), **found}


def cpu_name() -> str:
    """Name this machine's CPU as well as its system can."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    match = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def device_name(device: "torch.device") -> str:
    """Name a GPU, or else this machine's CPU."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def peak_memory() -> int | None:
    """Return the most memory that this process has had so far, bytes; None where none can tell."""
    # Not ru_maxrss where it can be helped: on Linux it begins with what the parent had.
    try:
        told = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(re.findall(r"^VmHWM:\s*(\d+) kB$", told, re.MULTILINE)[0])
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@cache
def driver_version() -> str | None:
    """Return the version of NVIDIA's driver; None where there is none, or it does not tell."""
    return _said(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"])


@cache
def source_state() -> dict[str, Any] | None:
    """Return the commit of the sources in use, and whether they and ``conf/`` are as committed.

    None where hmtnet is installed without its repository.
    """
    git = ["git", "--no-optional-locks", "-C", str(Path(hmtnet.__file__).parent)]
    # An environment may lie inside another project's repository, which does not track us.
    if _said([*git, "ls-files", "--error-unmatch", "__init__.py"]) is None:
        return None
    told = _said([*git, "status", "--porcelain=v2", "--branch", "--", ".", ":/conf"]) or ""
    commit = re.search(r"^# branch\.oid ([0-9a-f]+)$", told, re.MULTILINE)
    clean = all(line.startswith("#") for line in told.splitlines())
    return {"commit": commit[1], "clean": clean} if commit else None


def _said(command: Sequence[str]) -> str | None:
    """Return what a program prints; None if it is not there, fails, or does not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
