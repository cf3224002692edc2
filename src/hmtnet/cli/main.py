"""The command line. Nothing heavy is imported before a command is known."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType

from hmtnet import __version__
from hmtnet.errors import HmtnetError, TerminatedError, faults_explained, nearest, printable

HELP = """\
hmtnet: judge super-resolved images without a reference.

usage: hmtnet COMMAND [settings]

commands
  score    score images with a trained model
             hmtnet score photos/ --sort --output scores.csv
  compare  tell which SR method is better, by the scores of its images
             hmtnet compare out/esrgan out/swinir out/bicubic
  serve    score, rank and compare images on a page of this machine
             hmtnet serve
  info     say what a model's scores mean, and how far they can be trusted
             hmtnet info runs/qads/<split>/joint-<key>
  models   list the trained models that come with hmtnet
  export   write a model to one file (ONNX, torch.export) that scores without hmtnet
             hmtnet export hmtnet-lite --output hmtnet-lite.onnx
  benchmark
           measure what judging an image costs: arithmetic, time and memory, by its size
             hmtnet benchmark hmtnet-lite
  push     write a trained model to the Hugging Face hub, with its card
             hmtnet push runs/demo/<split>/joint-<key> hf://somebody/judge
  train    train a chain of stages, and show how good the result is
             hmtnet train                                     the demo, in minutes
             hmtnet train data=qads split=content size=full   a dataset of yours
             hmtnet train -m system.sfen.optimizer.lr=1e-4,3e-4    a sweep
             hmtnet train -m sweep=optuna                           a search
  sweep    tell how far a sweep is, and which of its trials is best; go on with it
             hmtnet sweep status <name>
             hmtnet sweep continue <name>
  evaluate predict a dataset with a finished stage, also another one than it has trained on
             hmtnet evaluate artifact=runs/qads/<split>/joint-<key> data=ma
  adopt    make scores that were computed elsewhere run directories, for the report
             hmtnet adopt niqe.csv data=qads lower=[niqe]
  convert  make the checkpoint of a system's authors a run directory that scores
             hmtnet convert system=ahiq checkpoint=AHIQ.pth
  report   make one page, tables and pictures from run directories
             hmtnet report runs/qads
  runs     look after run directories: list, show, rm, prune
             hmtnet runs list
  doctor   tell whether this machine, its folders and its datasets are fit for use
             hmtnet doctor
  baseline predict by SR method and scale alone, or by sharpness, over many splits
             hmtnet baseline data=qads split=method
  data     look after datasets
             hmtnet data list                          the datasets that can be read
             hmtnet data verify data=qads              whether a folder is whole and sound
             hmtnet data split data=qads split=method  write a split, and show what overlaps
             hmtnet data export data=qads              write the labels as a CSV
  synthesize
           make a set of super-resolved images, with pseudo-MOS, of any photographs
             hmtnet synthesize photos=~/Pictures output=synthesized

  hmtnet train --help explains every setting; so do the others' (data verify --help …).
  hmtnet --version

exit codes: 0 done, 1 a defect (with a traceback), 2 bad input (one message; of score and
compare: also images that have no score), 130 interrupted, 143 or 129 stopped by SIGTERM
or SIGHUP.
"""

COMMANDS = (
    *("score", "compare", "serve", "info", "models", "export", "benchmark", "push"),
    *("train", "sweep", "evaluate", "adopt", "convert", "report", "runs", "doctor"),
    *("baseline", "data", "synthesize"),
)

BAD_INPUT = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else BAD_INPUT
    if words[0] == "--version":
        print(f"hmtnet {__version__}")
        return 0
    try:
        with _stopped_by_signals(), faults_explained():
            code = _run(words[0], words[1:])
        sys.stdout.flush()
        return code
    except HmtnetError as error:
        print(f"hmtnet: {printable(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # whoever reads has read enough, as in `hmtnet … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stop:
        asked = stop if isinstance(stop, TerminatedError) else None
        with suppress(OSError):  # a terminal that was closed
            said = "interrupted" if asked is None else asked
            print(f"hmtnet: {said}; the same command resumes.", file=sys.stderr)
        return INTERRUPTED if asked is None else 128 + asked.number


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does; what ignores them (nohup) still does."""

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        raise TerminatedError(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(command: str, rest: list[str]) -> int:
    """Run the function that is named like its module and the command."""
    if command not in COMMANDS:
        raise HmtnetError(f"Unknown command '{command}'.{nearest(command, COMMANDS)}")
    run: Callable[[Sequence[str]], int] = getattr(import_module(f"hmtnet.cli.{command}"), command)
    return run(rest)
