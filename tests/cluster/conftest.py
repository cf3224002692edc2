"""A real Slurm on this machine alone: one node on loopback, with accounting, in a folder."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db")

CONF = """
ClusterName=alone
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
JobRequeue=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[2]}
AccountingStoragePass={folder}/munge.socket
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus}
PartitionName=main Nodes=ALL Default=YES State=UP
"""

DATABASE = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={ports[2]}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[3]}
StorageUser=root
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


@pytest.fixture
def slurm():
    """A cluster that runs two jobs at once."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if reason := missing():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # pytest's paths are too long for sockets
    with Slurm(folder, cpus=2) as started:
        yield started
    shutil.rmtree(folder, ignore_errors=True)


def missing():
    """Say why no Slurm can be started here; None if one can."""
    os.environ["PATH"] += ":/usr/sbin"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"needs Debian's slurm-wlm, slurmdbd, munge and mariadb-server: no {lacking[0]}"
    return None if os.geteuid() == 0 else "slurmd needs the rights of root"


class Slurm:
    """A cluster of one node; ``environment`` is what its commands need.

    Args:
        folder: Where everything is kept; its path must be short enough for a socket.
        cpus: As many jobs run at once.
    """

    def __init__(self, folder, cpus):
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._own = {"folder": folder, "user": getpass.getuser(), "ports": _free_ports(4)}
        self._mariadb = None
        self._own |= {"host": socket.gethostname().partition(".")[0], "cpus": cpus}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        for name in ("state", "spool", "db"):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(CONF.format(**self._own))
        database = self.folder / "slurmdbd.conf"
        database.write_text(DATABASE.format(**self._own))
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        for name in ("slurmdbd.conf", "munge.key"):
            (self.folder / name).chmod(0o600)
        files = [f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "log", "seed")]
        files += [f"--pid-file={self.folder}/munged.pid", f"--socket={self.folder}/munge.socket"]
        self.run("munged", "--force", *files)
        where = ("--no-defaults", f"--user={self._own['user']}", f"--datadir={self.folder}/db")
        self.run("mariadb-install-db", *where, "--auth-root-authentication-method=normal")
        self._mariadb = subprocess.Popen(
            [
                *("mariadbd", *where, f"--socket={self.folder}/db.socket"),
                *(f"--port={self._own['ports'][3]}", "--bind-address=127.0.0.1"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, port in (("mariadbd", 3), ("slurmdbd", 2), ("slurmctld", 0)):
            if name != "mariadbd":
                self.run(name)
            _wait_for(self._own["ports"][port])
        self.start_node()

    def __exit__(self, *_):
        self.fail_node()
        for name in ("slurmctld", "slurmdbd", "munged"):
            path = self.folder / f"{name}.pid"
            if path.exists() and path.read_text().strip():
                _end(int(path.read_text()), signal.SIGTERM)
        if self._mariadb is not None:
            self._mariadb.terminate()
            self._mariadb.wait()

    def run(self, *words):
        """Run one of Slurm's commands, and return what it prints."""
        command = [str(word) for word in words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def preempt(self, job):
        """Signal a job as Slurm does that wants its node back; it has itself queued again."""
        # Slurm delivers the signal and, as the job is being queued again, tells to try again later.
        # scancel does so ten times, and would hit the job once more after its new start.
        words = ["scancel", "--signal=USR2", job]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(words, env=self.environment, timeout=2, capture_output=True, check=False)

    def start_node(self):
        """Start the node's daemon; what it left is taken up again."""
        self.run("slurmd")

    def fail_node(self):
        """Let the node fail: all its processes end at once, without a word."""
        for pid in self._of_node():
            _end(pid, signal.SIGKILL)

    def _of_node(self):
        """Return the processes of the node's daemon and of its jobs, which are its no more."""
        processes = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                ours = str(self.folder).encode() in (path / "environ").read_bytes()
                step = b"slurmstepd" in (path / "cmdline").read_bytes()
                processes[int(path.name)] = parent, ours and step
        daemon = self.folder / "slurmd.pid"
        node = [int(daemon.read_text())] if daemon.exists() else []
        node += [pid for pid, (_, step) in processes.items() if step and pid not in node]
        # Those first that could tell the controller how a job has ended.
        while more := [
            pid for pid, (parent, _) in processes.items() if parent in node and pid not in node
        ]:
            node += more
        return node

    def jobs(self, state):
        """Return the ids of an array's jobs in a state, by their places in the array."""
        lines = self.run("squeue", "-h", "-r", "-t", state, "-o", "%K %i").splitlines()
        return {int(place): job for place, job in map(str.split, lines)}


def _end(pid, how):
    with suppress(ProcessLookupError):
        os.kill(pid, how)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(port):
    for _ in range(3000):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"nothing listens at port {port}")
