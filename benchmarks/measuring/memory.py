"""Peak memory of a process, and an environment in which it is what the process uses."""

from contextlib import suppress
from pathlib import Path

from hmtnet.experiment.machine import peak_memory

# Of a process's environment. By itself, glibc raises the size from which freed memory goes back at
# once, and then keeps up to twice that: another amount each time. A fixed size turns that off.
RETURNS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**18), "MALLOC_TRIM_THRESHOLD_": str(2**18)}


def peak() -> int:
    """Return the most memory that this process has had so far, bytes.

    Raises:
        NotImplementedError: The system does not tell.
    """
    found = peak_memory()
    if found is None:
        raise NotImplementedError("This system does not tell how much memory a process has had.")
    return found


def fresh_peak() -> int:
    """Forget the peak so far, that of imports say, where the system can; return today's, bytes."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()
