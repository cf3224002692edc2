import inspect
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hmtnet import errors
from hmtnet.errors import (
    HmtnetError,
    ResourceError,
    SettingsError,
    faults_explained,
    listed,
    nearest,
)


def test_every_error_can_be_caught_as_one():
    members = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    classes = [c for c in members if c.__module__ == errors.__name__]
    assert len(classes) > 5
    # What stops a process is none: nothing that catches errors may hold it up.
    assert all(issubclass(c, HmtnetError) for c in classes if issubclass(c, Exception))
    assert not issubclass(HmtnetError, (ValueError, OSError))


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("epoch", ["epochs", "batch_size"], " Did you mean 'epochs'?"),
        ("batchsize", {"epochs": 1, "batch_size": 2}, " Did you mean 'batch_size'?"),
        ("zzz", ["b", "a"], " Known: a, b."),
        ("zzz", [], ""),
    ],
)
def test_nearest(name, known, expected):
    assert nearest(name, known) == expected


def test_nearest_prefers_the_name_itself():
    assert nearest("sfen", ["sfen2", "sfen", "sfe"]) == " Did you mean 'sfen'?"


@pytest.mark.parametrize(
    ("items", "limit", "expected"),
    [
        ([], 5, ""),
        ([1], 5, "1"),
        ("abcde", 5, "a, b, c, d, e"),
        ("abcdef", 5, "a, b, c, d, e and 1 more"),
        ((c for c in "abc"), 1, "a and 2 more"),
    ],
)
def test_listed(items, limit, expected):
    assert listed(items, limit) == expected


@given(st.lists(st.integers(), max_size=20), st.integers(1, 10))
def test_listed_accounts_for_every_item(items, limit):
    text = listed(items, limit)
    shown, _, rest = text.partition(" and ")
    count = len(shown.split(", ")) if shown else 0
    assert count + (int(rest.split()[0]) if rest else 0) == len(items)


def out_of_memory():
    torch.empty(2**60)


def full_disk():
    Path("/dev/full").write_bytes(b"x")


def full_disk_of_torch():
    torch.save({"w": torch.zeros(1000)}, "/dev/full")


def no_room_for_a_kernel():
    raise RuntimeError("could not create a primitive")  # as oneDNN does under `ulimit -v`


def no_room_for_a_thread():
    before = threading.stack_size(2**46)
    try:
        threading.Thread(target=print).start()
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (no_room_for_a_thread, "memory ran out, or the system allows no more"),
        (no_room_for_a_kernel, "Memory ran out"),
        (out_of_memory, "Lower size.batch_size"),
        (lambda: np.zeros(2**57), "data.cache=none"),
        (full_disk, "The disk is full. Make room"),
        (full_disk_of_torch, "Make room"),
    ],
)
def test_a_fault_of_the_machine_says_what_helps(fault, advice):
    with pytest.raises(ResourceError, match=advice), faults_explained():
        fault()


@pytest.mark.parametrize("error", [ValueError("x"), FileNotFoundError("x"), SettingsError("x")])
def test_other_errors_pass_as_they_are(error):
    with pytest.raises(type(error)) as caught, faults_explained():
        raise error
    assert caught.value is error
