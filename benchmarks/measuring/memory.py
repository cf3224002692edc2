"""Peak memory of a process, and an environment in which it is what the process uses."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

# Of a process's environment. By itself, glibc raises the size from which freed memory goes back at
# once, and then keeps up to twice that: another amount each time. A fixed size turns that off.
RETURNS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**18), "MALLOC_TRIM_THRESHOLD_": str(2**18)}

_STATUS = Path("/proc/self/status")


def peak() -> int:
    """Return the most memory that this process has had so far, bytes."""
    # Not ru_maxrss where it can be helped: on Linux it begins with what the parent had.
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def fresh_peak() -> int:
    """Forget the peak so far, that of imports say, where the system can; return today's, bytes."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()
