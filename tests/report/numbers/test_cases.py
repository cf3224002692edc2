import numpy as np
import pytest

from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name, write_thumbnail
from hmtnet.metrics.mapping import fit_mapping
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.cases import duels, extremes
from hmtnet.report.numbers.collect import collect


def rows(runs):
    (section,) = build_report(collect([runs.root])).sections
    return section, {entry.name: entry for entry in section.entries}


def test_the_extremes_are_by_mapped_error(runs):
    folder = runs.write("a", noise=0.02)
    runs.write("b", noise=0.2)
    section, _ = rows(runs)
    found = section.casebooks[0]
    run = next(r for r in collect([runs.root]).runs if r.path == folder)
    test = run.predictions.select("test")
    error = np.abs(fit_mapping(test.score, test.mos)(test.score) - test.mos)
    order = np.argsort(error)
    assert (found.name, found.other) == ("a joint", "b joint")
    assert [case.image for case in found.best] == [test.image[i] for i in order[:6]]
    assert [case.image for case in found.worst] == [test.image[i] for i in order[::-1][:6]]
    worst = found.worst[0]
    assert abs(worst.score - worst.mos) == pytest.approx(error.max())
    assert worst.grade == test.grade[order[-1]]
    assert worst.true_grade == test.true_grade[order[-1]]
    assert worst.other is not None
    assert worst.thumbnail is None


def test_a_lone_system_stands_beside_label_only(runs):
    runs.write("a")
    section, _ = rows(runs)
    (book,) = section.casebooks
    assert (book.name, book.other) == ("a joint", "label-only")
    assert {duel.equal for duel in book.duels} <= {"a joint", "label-only"}
    assert book.duels


def test_every_system_has_its_cases_beside_the_best_other_one(runs):
    for name, noise in (("a", 0.02), ("b", 0.2), ("c", 0.5)):
        runs.write(name, noise=noise)
    section, by_name = rows(runs)
    assert [(book.name, book.other) for book in section.casebooks] == [
        ("a joint", "b joint"), ("b joint", "a joint"), ("c joint", "a joint")
    ]  # fmt: skip
    for book in section.casebooks:
        assert (book.best, book.worst) != ((), ())
        view, mapping = by_name[book.name].view, by_name[book.name].mapping
        scores = dict(zip(view.image, mapping(view.score), strict=True))
        assert all(scores[case.image] == case.score for case in (*book.best, *book.worst))


def test_thumbnails_lie_beside_the_runs(runs):
    folder = runs.write("a")
    section, _ = rows(runs)
    image = section.casebooks[0].best[0].image
    path = folder.parent / THUMBNAILS / thumbnail_name(image)
    write_thumbnail(path, np.zeros((8, 8, 3), dtype=np.uint8))
    section, _ = rows(runs)
    assert section.casebooks[0].best[0].thumbnail == path.read_bytes()
    assert section.casebooks[0].worst[0].thumbnail is None


def test_duels_are_pairs_one_calls_equal_and_the_other_not(runs):
    runs.write("a", noise=0.03, references=60)
    runs.write("b", noise=0.3, references=60)
    _, by_name = rows(runs)
    a, b = by_name["a joint"], by_name["b joint"]
    found = duels(a, b)
    assert [(d.equal, d.level) for d in found] == [
        (name, level) for name in ("a joint", "b joint") for level in ("low", "middle", "high")
    ]
    mapped = {
        e.name: dict(
            zip(e.view.image, fit_mapping(e.view.score, e.view.mos)(e.view.score), strict=True)
        )
        for e in (a, b)
    }
    for duel in found:
        spread = np.ptp(list(mapped[duel.equal].values()))
        first, second = duel.better.image, duel.worse.image
        assert abs(mapped[duel.equal][first] - mapped[duel.equal][second]) <= 0.01 * spread + 1e-12
        assert mapped[duel.different][first] > mapped[duel.different][second]
        gap = duel.better.mos - duel.worse.mos
        predicted = mapped[duel.different][first] - mapped[duel.different][second]
        assert duel.verdict == (duel.different if gap > predicted / 2 else duel.equal)
    # The noisy system invents differences: the labels side with the precise one.
    assert {duel.verdict for duel in found if duel.equal == "a joint"} == {"a joint"}


def test_where_lower_is_better_the_better_image_has_the_lower_score(runs):
    runs.write("a", noise=0.03)
    runs.write("b", noise=0.3)
    _, by_name = rows(runs)
    for duel in duels(by_name["a joint"], by_name["b joint"], higher_is_better=False):
        assert duel.better.other < duel.worse.other


def test_without_shared_images_there_are_no_duels(runs):
    runs.write("a", split=0)
    runs.write("b", split=1)
    _, by_name = rows(runs)
    assert duels(by_name["a joint"], by_name["b joint"]) == []


def test_two_images_are_too_few_to_be_both_best_and_worst(runs):
    runs.write("a")
    _, by_name = rows(runs)
    best, worst = extremes(by_name["a joint"], None, count=100)
    assert len(best) == len(worst) == 20
    assert not {c.image for c in best} & {c.image for c in worst}
    assert all(case.other is None for case in best)
