import pytest

from hmtnet.errors import DataError, SettingsError
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.run import BEST_ON_TEST


def report(runs, *rows):
    return build_report(collect([runs.root]), "Title", rows)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"No run directory was found there.*hmtnet train"):
        build_report(collect([tmp_path]))


def test_nothing_usable_says_why_for_each(runs):
    a, b = runs.write("a", state="running"), runs.write("b", state="failed")
    with pytest.raises(DataError) as caught:
        report(runs)
    message = str(caught.value)
    assert message.startswith("No usable run.\n")
    assert all(str(folder) in message for folder in (a, b))


def test_datasets_and_protocols_have_sections_of_their_own(runs):
    runs.write(dataset="b")
    runs.write(dataset="a")
    runs.write(dataset="a", protocol="image")
    runs.write(dataset="a", protocol="kfold")
    found = report(runs)
    titles = [section.grounds.title for section in found.sections]
    assert titles == [
        "a, protocol content",
        "a, protocol kfold (kfold5)",
        "a, protocol image, LEAKY",
        "b, protocol content",
    ]
    assert found.runs == 4


def test_chosen_rows(runs):
    for name in ("hmtnet", "plain", "pmt"):
        runs.write(name)
    (section,) = report(runs, "HMT", "pla").sections
    assert {row.name for row in section.systems} == {"hmtnet joint", "plain joint"}
    assert "label-only" in {row.name for row in section.entries}
    with pytest.raises(SettingsError, match=r"No row's name contains 'plian joint'.*plain joint"):
        report(runs, "plian joint")


def test_notes(runs):
    runs.write(protocol="image", kind="pseudo", selection=BEST_ON_TEST)
    (section,) = report(runs).sections
    notes = " ".join(section.notes)
    assert "pseudo-MOS, computed by a formula" in notes
    assert "leaky" in notes
    assert "The test images chose the epoch of hmtnet joint" in notes
    assert all("leaky split" in row.marks for row in section.entries)


def test_rows_that_are_told_the_grades_are_marked(runs):
    runs.write()
    runs.write(stage="sfen", oracle=True)
    (section,) = report(runs).sections
    marks = {row.name: row.marks for row in section.systems}
    assert marks == {"hmtnet joint": (), "hmtnet sfen": ("reads the true grades",)}
    (note,) = section.notes
    assert note.startswith("hmtnet sfen: told the true grades of the test images.")


def test_few_splits_of_unseen_methods_are_told(runs):
    runs.write(protocol="method")
    (section,) = report(runs).sections
    assert any("1 of the 20 splits" in note for note in section.notes)


def test_a_clean_report_has_no_notes(runs):
    runs.write()
    (section,) = report(runs).sections
    assert section.notes == ()
    assert report(runs).problems == ()


def test_what_was_trained_elsewhere_is_a_row_of_its_own(runs):
    runs.write()
    runs.write(seed=1, evaluated={"dataset": "elsewhere"})
    (section,) = report(runs).sections
    rows = {row.marks: row for row in section.systems}
    assert set(rows) == {(), ("trained on elsewhere",)}
    assert len({row.name for row in section.systems}) == 2
    # The units of two datasets are not the same.
    assert rows[()].spreads["rmse"].defined
    assert not rows[("trained on elsewhere",)].spreads["rmse"].defined
    assert rows[("trained on elsewhere",)].spreads["rmse_mapped"].defined
