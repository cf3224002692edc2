"""The roof itself: help, versions, unknown words, exit codes, and how quickly it answers."""

import re
import subprocess
import sys
import time

import pytest

from hmtnet import __version__
from hmtnet.cli import main as roof
from hmtnet.cli.main import BAD_INPUT, INTERRUPTED
from hmtnet.models.system import list_systems

HELPS = [["--help"], ["-h"], ["help"]]


@pytest.mark.parametrize("words", HELPS)
def test_help_names_every_command_with_an_example(hmtnet, words):
    done = hmtnet(*words)
    assert (done.code, done.err) == (0, "")
    assert "hmtnet train " in done.out and "exit codes" in done.out


def test_help_is_quick():
    def seconds():
        started = time.perf_counter()
        command = [sys.executable, "-m", "hmtnet", "--help"]
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(3)) < 0.5


def test_version(hmtnet):
    assert hmtnet("--version").out == f"hmtnet {__version__}\n"


def test_no_word_at_all_is_answered_by_the_help_and_is_bad_input(hmtnet):
    done = hmtnet()
    assert (done.code, done.out) == (BAD_INPUT, "") and "usage: hmtnet" in done.err


def test_an_unknown_command_is_met_with_the_nearest(hmtnet):
    done = hmtnet("trian", "data=qads")
    assert (done.code, done.out) == (BAD_INPUT, "")
    assert done.err == "hmtnet: Unknown command 'trian'. Did you mean 'train'?\n"


def test_help_of_train_lists_settings_and_options_and_trains_nothing(hmtnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = hmtnet("train", "--help", "size=small")
    assert (done.code, done.err) == (0, "")
    assert "efficientnet_lite0" in done.out and "loaded_lr" in done.out  # the settings as composed
    assert "size: full, published, quick, small, tiny" in done.out  # and what else there is
    assert list(tmp_path.iterdir()) == []


HELPED = [f"train system={name}" for name in list_systems()]


@pytest.mark.parametrize("words", [*HELPED, "evaluate", "convert", "baseline", "data verify"])
def test_help_explains_every_setting_in_words(hmtnet, words):
    done = hmtnet(*words.split(), "--help")
    settings = re.split(r"\n(?=\S)", done.out.partition("\nSettings: ")[2])[1:]
    assert len(settings) > 20
    # Behind a setting from column 41 on, or below it.
    bare = [one for one in settings if "\n " not in one and not re.match(r".{39}  \S", one)]
    assert bare == []


def test_help_has_the_words_that_stand_beside_a_setting_in_conf(hmtnet):
    done = hmtnet("train", "--help", "trainer=gpu", "runs=é")
    assert "runs=é                                   where run directories are kept" in done.out
    assert "trainer.workers=4                        loader processes\n" in done.out
    assert re.search(r"evaluate\.test=null +predict the test .* run, not in a\n +sweep", done.out)


def test_a_reader_that_has_read_enough_ends_it_quietly():
    command = f"{sys.executable} -m hmtnet train --help | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("hmtnet train") and done.stderr == ""


ANSWERED_AT_ONCE = [
    "--help",
    "trainr.devices=2",
    "system.sfen.optimiser.lr=1",
    "size.crops={size: 48, cuont: 1}",
    "seed=one",
    "trainer.workers=-1",
    "data=qds",
    "data.root=",
]


@pytest.mark.parametrize("word", ANSWERED_AT_ONCE)
def test_a_slip_and_help_cost_no_more_than_a_glance(word):
    code = "import sys; from hmtnet.cli.main import main; main(sys.argv[1:])\n"
    code += "import time; print('torch' in sys.modules, time.process_time())"
    done = subprocess.run(
        [sys.executable, "-c", code, "train", word], capture_output=True, text=True, check=True
    )
    imported, seconds = done.stdout.splitlines()[-1].split()
    assert imported == "False" and float(seconds) < 2
    assert (done.stderr == "") == (word == "--help")


@pytest.mark.parametrize(
    "words",
    ["train", "evaluate", "convert", "baseline", "data verify", "data split", "synthesize"],
)
def test_help_begins_with_what_the_command_is(hmtnet, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    done = hmtnet(*words.split(), "--help")
    assert done.code == 0 and done.out.startswith(f"hmtnet {words.split()[0]}")


def test_an_interruption_is_told_from_a_failure(hmtnet, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(roof, "_run", interrupted)
    done = hmtnet("train")
    assert done.code == INTERRUPTED and "the same command resumes" in done.err


def test_a_defect_keeps_its_traceback(hmtnet, monkeypatch):
    def defective(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(roof, "_run", defective)
    with pytest.raises(ZeroDivisionError):
        hmtnet("train")
