"""The study of a search: what it proposes, what it counts, and what is left when a process dies."""

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

optuna = pytest.importorskip("optuna")

# Both import optuna, so they come behind the line that passes these tests over without it.
from hmtnet.cli.search import Search, distribution, pruning  # noqa: E402
from hmtnet.errors import HmtnetError  # noqa: E402
from hmtnet.storage.trials import Trial  # noqa: E402

SPACE = {
    "lr": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
    "pool": optuna.distributions.CategoricalDistribution(["mean", "max"]),
}


def planted(number, sets):
    """Best at lr=1e-3 and pool=mean; a rate above 1e-2 fails."""
    lr = float(sets["lr"])
    if lr > 1e-2:
        return Trial(number, "failed")
    value = 1 - abs(math.log10(lr) + 3) / 2 - 0.5 * (sets["pool"] == "max")
    return Trial(number, "complete", val_srcc=value)


def opened(folder, direction="maximize", seed=0, sampler="tpe"):
    return Search(folder, SPACE, direction, sampler, seed)


def run(search, n_trials, attempts=10**6):
    """Search until there are enough trials; returns what was proposed, and how each ended."""
    found = []
    with search.worked_on():
        while len(found) < attempts and (asked := search.ask(1, n_trials)):
            for number, sets in asked:
                found.append((sets, planted(number, sets)))
                search.tell(found[-1][1])
    return found


@pytest.mark.parametrize(("direction", "best"), [("maximize", 1e-3), ("minimize", 1e-5)])
def test_ten_trials_and_ten_more_are_twenty_and_the_right_end_wins(tmp_path, direction, best):
    first = run(opened(tmp_path, direction), 10)
    assert run(opened(tmp_path, direction), 10) == []
    both = [*first, *run(opened(tmp_path, direction), 20)]
    numbers = [trial.number for _, trial in both]
    assert numbers == [*range(len(both))]
    complete = [(trial.val_srcc, sets) for sets, trial in both if trial.state == "complete"]
    assert len(both) == 20 > len(complete) > 14  # some fail, and the search turns from them
    pick = max if direction == "maximize" else min
    _, sets = pick(complete, key=lambda pair: pair[0])
    assert abs(math.log10(float(sets["lr"]) / best)) < 0.3
    assert sets["pool"] == ("mean" if direction == "maximize" else "max")


def test_a_study_in_which_all_have_failed_can_be_searched_again(tmp_path):
    def fail(search, attempts):
        with search.worked_on():
            for _ in range(attempts):
                ((number, _),) = search.ask(1, 3)
                search.tell(Trial(number, "failed"))

    fail(opened(tmp_path), 3)
    fail(opened(tmp_path), 2)
    assert [trial.number for _, trial in run(opened(tmp_path), 3, attempts=1)] == [5]
    assert run(opened(tmp_path), 3) == []


def test_a_pruner_compares_trials_at_the_same_epoch(tmp_path):
    search = opened(tmp_path)
    ends = []
    with search.worked_on():
        for value in (0.5, 0.6, 0.7, 0.8, 0.9, 0.3, 0.95):
            ((number, _),) = search.ask(1, 7)
            told = pruning(tmp_path, number, "median")
            ends.append([told(1, value), told(2, math.nan), told(1, -1.0)])
            search.tell(Trial(number, "complete", val_srcc=value))
    assert ends == 5 * [[False] * 3] + [[True, False, False], [False] * 3]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_an_interrupted_search_proposes_what_a_whole_one_does(tmp_path, sampler):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = run(opened(tmp_path / "a", sampler=sampler), 14)
    parts = []
    while len(parts) < len(whole):
        parts += run(opened(tmp_path / "b", sampler=sampler), 14, attempts=3)
    assert parts == whole and len({str(sets) for sets, _ in whole}) == len(whole)
    other = run(opened(tmp_path, sampler=sampler, seed=1), 2)
    assert other[0][0] != whole[0][0]


def test_a_living_process_keeps_its_trials_and_a_dead_one_s_are_taken_up(tmp_path):
    first, second = opened(tmp_path), opened(tmp_path)
    with first.worked_on():
        ((number, sets),) = first.ask(1, 2)
        with second.worked_on():
            ((other, _),) = second.ask(3, 2)
            assert other == number + 1 and second.ask(1, 2) == []
            second.tell(Trial(other, "complete", val_srcc=0.0))
    # The first one's lock is gone, as with its process.
    with second.worked_on():
        assert second.ask(1, 2) == [(number, sets)]


def test_a_line_that_was_cut_short_is_dropped(tmp_path):
    run(opened(tmp_path), 3)
    with (tmp_path / "study.jsonl").open("a") as stream:
        stream.write('{"op_code": 4, "wor')
    assert len(run(opened(tmp_path), 5)) == 2


@pytest.mark.parametrize("line", ["garbage", "[]", "{}", '{"op_code": 99, "worker_id": "1"}'])
def test_a_damaged_study_is_named(tmp_path, line):
    (tmp_path / "study.jsonl").write_text(f"{line}\n")
    with pytest.raises(HmtnetError, match=r"study\.jsonl cannot be read as a study"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval(0.1,1)", optuna.distributions.FloatDistribution(0.1, 1)),
        ("tag(log,interval(0.1,1))", optuna.distributions.FloatDistribution(0.1, 1, log=True)),
        ("int(interval(1,8))", optuna.distributions.IntDistribution(1, 8)),
        ("range(1,8,3)", optuna.distributions.IntDistribution(1, 7, step=3)),
        ("range(0.1,0.5,0.2)", optuna.distributions.FloatDistribution(0.1, 0.3, step=0.2)),
        ("a,'b c',null", optuna.distributions.CategoricalDistribution(["a", "'b c'", "null"])),
        ("choice([1,2],[3])", optuna.distributions.CategoricalDistribution(["[1,2]", "[3]"])),
    ],
)
def test_hydra_s_sweeps_are_distributions(text, expected):
    assert distribution(OverridesParser.create().parse_override(f"x={text}")) == expected
