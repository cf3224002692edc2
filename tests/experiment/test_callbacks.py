"""What is shown while a stage trains: one live line in a terminal, a line per epoch in a file."""

import os
import re
import subprocess
import sys

import pytest

from hmtnet.experiment.progress import StageProgress, _clock

EPOCH = (
    r"sfen 2/3: epoch {0}/2, loss [\d.e-]+, validation SRCC -?[\d.]+, [\d.e+]+ images/s, "
    r"\d+:\d\d left"
)


def test_a_bar_that_was_never_opened_can_be_closed():
    StageProgress("grading").close()


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (7325, "2:02:05")]
)
def test_times(seconds, shown):
    assert _clock(seconds) == shown


def test_a_file_gets_one_line_per_epoch_and_nothing_is_overwritten(finished):
    told = finished.outcome.err
    assert "\r" not in told
    lines = [line for line in told.splitlines() if line.startswith("sfen 2/3")]
    assert len(lines) == 2
    assert all(re.fullmatch(EPOCH.format(i + 1), line) for i, line in enumerate(lines)), lines
    assert "0:00 left" in lines[-1] and "predicting test images" in told.splitlines()


@pytest.mark.full
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals")
def test_a_terminal_shows_one_line_that_is_overwritten(tiny, tmp_path):
    shown = in_terminal(tiny(tmp_path, "stages=[grading]"))
    lines = shown.replace("\r\n", "\n").split("\n")  # not splitlines: it would end them at each \r
    ends = [line.rpartition("\r")[2] for line in lines]
    (bar,) = [line for line in ends if line.startswith("grading 1/1 ")]
    assert "epoch 1/1, loss " in bar and "0:00 left" in bar and "validation SRCC" in bar
    assert "\rpredicting test images" in shown  # and is gone when that is done
    assert not [line for line in ends if line.startswith("predicting")]


def in_terminal(words):
    """Run ``hmtnet`` in a terminal of 120 columns, and return what it has received."""
    import fcntl
    import struct
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [sys.executable, "-m", "hmtnet", *map(str, words)]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    received = b""
    try:
        while chunk := os.read(ours, 65536):
            received += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0, received
    return received.decode()
