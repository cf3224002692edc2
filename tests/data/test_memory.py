import os

import pytest

from hmtnet.data.memory import copies, free_memory, keeps
from hmtnet.errors import SettingsError

GB = 10**9


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


MACHINE = {"proc/meminfo": "MemTotal:  9000000 kB\nMemFree: 1 kB\nMemAvailable:  8000000 kB\n"}
# A job of a batch system: its own group is unlimited, the one around it is not.
JOB = {
    "proc/self/cgroup": "0::/job/step\n",
    "sys/fs/cgroup/job/memory.max": "6000000000\n",
    "sys/fs/cgroup/job/memory.current": "5000000000\n",
    "sys/fs/cgroup/job/memory.stat": "anon 1\ninactive_file 2000000000\n",
    "sys/fs/cgroup/job/step/memory.max": "max\n",
    "sys/fs/cgroup/job/step/memory.current": "5000000000\n",
}
# A container sees its own group at the top, whatever the outer one calls it.
CONTAINER = {
    "proc/self/cgroup": "5:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n1:name=systemd:/x\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "500000000\n",
}
UNLIMITED = CONTAINER | {
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MACHINE, (8_192_000_000, "free")),
        (MACHINE | JOB, (3 * GB, "left below this container's limit")),
        (MACHINE | CONTAINER, (1_500_000_000, "left below this container's limit")),
        (MACHINE | UNLIMITED, (8_192_000_000, "free")),
    ],
    ids=["machine", "job", "container", "unlimited"],
)
def test_the_smallest_of_what_linux_says_is_free(tmp_path, files, expected):
    write(tmp_path, files)
    assert free_memory(tmp_path) == expected


def test_where_the_system_says_nothing_the_guess_is_cautious(tmp_path, monkeypatch):
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert free_memory(tmp_path) == (whole // 4, "assumed to be free (a quarter of all)")
    monkeypatch.delattr(os, "sysconf")  # as on Windows
    assert free_memory(tmp_path) == (2 * GB, "assumed to be free")


def test_this_machine_has_some_memory():
    free, _ = free_memory()
    assert 10_000_000 < free < 100_000 * GB


@pytest.mark.parametrize(
    ("cache", "needed", "kept"),
    [
        ("auto", 5 * GB, True),
        ("auto", 6 * GB, False),
        ("memory", 10 * GB, True),
        ("none", 1, False),
    ],
)
def test_what_is_kept(cache, needed, kept):
    assert keeps(cache, "2 images", needed, (10 * GB, "free")) is kept


def test_a_refusal_has_the_numbers_and_the_way_out():
    with pytest.raises(SettingsError, match=r"2 images need 11\.0 GB of memory, and 10\.0 GB are "):
        keeps("memory", "2 images", 11 * GB, (10 * GB, "free"))


def test_processes_that_are_not_forked_have_copies_of_their_own(monkeypatch):
    for method, held in (("fork", 2), ("spawn", 14)):
        monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda m=method: [m])
        assert copies(devices=2, workers=3) == held
