"""Commands of hmtnet as processes, forked from one that has imported all of it.

A process is real: it has a memory, files, locks and signals of its own and can be killed. What it
does not pay is the import of some five thousand modules.
"""

import atexit
import importlib
import itertools
import logging
import os
import pkgutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE = 1800  # seconds; what takes longer hangs, also on a busy machine


@dataclass(frozen=True)
class Ended:
    """What a command has left.

    Attributes:
        code: Its exit code; the negative signal that it died of.
        out: Its standard output.
        err: Its standard error.
        seconds: How long it took.
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def last_line(self) -> str:
        """The last line of its standard error."""
        return (self.err.strip().splitlines() or [""])[-1]


@dataclass
class Command:
    """A process that runs one command line of hmtnet, from its making on.

    Attributes:
        words: The command line.
        log: Its standard output and error go to files that are named so, with an ending each.
        environment: Variables beside ours.
        before: Called in the process before the command.
        cwd: Its working directory.
        anew: Whether it starts an interpreter of its own and imports what it needs.
    """

    words: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    cwd: Path | None = None
    anew: bool = False

    def __post_init__(self) -> None:
        """Fork."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._be()

    def _be(self) -> None:
        """Be the process: it never returns."""
        code = 1
        try:
            for number, end in ((1, "out"), (2, "err")):
                os.dup2(os.open(f"{self.log}.{end}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
            logging.getLogger("hmtnet").handlers.clear()  # they hold another standard error
            os.environ.update(self.environment)
            tempfile.tempdir = None  # it was chosen by another TMPDIR
            if self.cwd is not None:
                os.chdir(self.cwd)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self.anew:
                words = [sys.executable, "-m", "hmtnet", *map(str, self.words)]
                os.execv(sys.executable, words)
            atexit._clear()  # what our own process would do at its end
            if self.before is not None:
                self.before()
            from hmtnet.cli.main import main

            code = main([str(word) for word in self.words])
            atexit._run_exitfuncs()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            # The interpreter's own end would flush the streams, and complain about a full disk.
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except OSError:
                    code = code or 120
            os._exit(code)

    def poll(self) -> bool:
        """Whether it runs."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def said(self) -> str:
        """Return what it has written to its standard error so far."""
        return self._text("err")

    def send(self, number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""
        if self.poll():
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Wait for its end; kill it if that does not come."""
        hangs = self.started + DEADLINE
        while self.poll() and time.monotonic() < hangs:
            time.sleep(0.01)
        hung = self.poll()
        if hung:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        err = self._text("err") + (f"\nhangs: killed after {DEADLINE} s\n" if hung else "")
        seconds = time.monotonic() - self.started
        return Ended(os.waitstatus_to_exitcode(status), self._text("out"), err, seconds)

    def _text(self, end: str) -> str:
        path = Path(f"{self.log}.{end}")
        return path.read_text(errors="replace") if path.exists() else ""


def import_everything() -> None:
    """Import hmtnet, and what it imports when it is needed."""
    import hmtnet

    for module in pkgutil.walk_packages(hmtnet.__path__, "hmtnet."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in (
        *("kornia", "timm", "lightning.pytorch", "albumentations", "skimage.data", "hydra.main"),
        *("torch._dynamo", "PIL.WebPImagePlugin"),
        "hydra._internal.core_plugins.basic_launcher",
    ):
        try:
            importlib.import_module(name)
        except ImportError:  # then nobody needs it
            continue


def before_operation(number: int, act: Callable[[], None], folder: Path) -> Callable[[], None]:
    """Act right before a process's n-th operation that changes files below a folder.

    Args:
        number: Which operation, from 1.
        act: What to do then.
        folder: The folder.

    Returns:
        What a command calls before it begins (see `Command.before`).
    """
    count = itertools.count(1)
    return before_each(lambda *_: next(count) == number and act(), folder)


def before_each(act: Callable[[str, list[str]], object], folder: Path) -> Callable[[], None]:
    """Act before each operation of a process that changes files below a folder.

    Args:
        act: Gets the name of the audit event and the paths that lie in the folder.
        folder: The folder.
    """
    inside = f"{folder}{os.sep}"

    def seen(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in _CHANGING:
            return
        texts = [os.fspath(a) for a in arguments if isinstance(a, (str, os.PathLike))]
        paths = [text for text in texts if isinstance(text, str) and text.startswith(inside)]
        if paths:
            act(event, paths)

    return lambda: sys.addaudithook(seen)


_CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree")


def kill_self() -> None:
    """Die of SIGKILL, as a process does that somebody else has killed."""
    os.kill(os.getpid(), signal.SIGKILL)
