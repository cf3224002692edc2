"""The processes that train one stage together: one leads, the others help.

Lightning starts the helpers by the leader's own command line, so each of them runs the whole chain
again. Only the leader takes locks, predicts and writes; a helper joins the training and is silent.
"""

import os
import time

from hmtnet.experiment.run_settings import TrainerSettings
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory

# Where a launcher leaves a process's rank: Lightning's own and torchrun, Slurm.
RANKS = ("LOCAL_RANK", "SLURM_PROCID")

_PARENT = os.getppid()


def is_helper(settings: TrainerSettings) -> bool:
    """Return whether this process only trains beside the one that writes the results."""
    # A lone process may carry a rank too: a task of a Slurm job that trains something of its own.
    return settings.devices > 1 and any(int(os.environ.get(name, "0")) > 0 for name in RANKS)


def joins(directory: RunDirectory) -> bool:
    """Wait until the leader begins to train a stage; return False if it is finished instead.

    Another command may train the same stage, and the leader then waits for that one and goes on. A
    helper that had begun by itself would train one stage with a leader that trains the next.

    Raises:
        SystemExit: The leader has failed, and said why, or is gone.
    """
    elsewhere = {"TORCHELASTIC_RUN_ID", "SLURM_PROCID"} & os.environ.keys()
    if elsewhere:  # the leader is not this one's parent, and cannot be known by it
        return not directory.finished
    while not directory.finished:
        found = run_status.read(directory.status)
        led = found is not None and found.pid == os.getppid()
        if found is not None and led and found.state == "running":
            return True
        _check_leader(failed=led)
        time.sleep(0.2)
    return False


def wait_for_leader(directory: RunDirectory) -> None:
    """Wait until the leader has finished a stage that was trained together.

    Raises:
        SystemExit: The leader has failed, and said why, or is gone.
    """
    while not directory.finished:
        found = run_status.read(directory.status)
        _check_leader(failed=found is not None and found.state in ("failed", "interrupted"))
        time.sleep(0.2)


def _check_leader(failed: bool) -> None:
    if failed or os.getppid() != _PARENT:
        raise SystemExit(1)
