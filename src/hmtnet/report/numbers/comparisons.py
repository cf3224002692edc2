"""Paired tests between the rows of a table."""

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hmtnet.baselines.labels import LABEL_ONLY
from hmtnet.errors import DataError, listed
from hmtnet.metrics.checks import Floats
from hmtnet.metrics.significance import (
    FEWEST_FOLDS,
    compare_systems,
    holm,
    rank_stability,
    wilcoxon,
)
from hmtnet.report.numbers.intervals import difference, groups_of
from hmtnet.report.numbers.leaderboard import Entry, View

MOST_ROWS = 10
"""Rows that are compared in pairs, the best ones: of more, no table could be read."""

SIGNIFICANT = 0.05
"""Below it a difference is called significant; p-values are adjusted by Holm before."""


@dataclass(frozen=True)
class Paired:
    """First row less second.

    Attributes:
        point: Difference in SRCC; for tests over splits, its mean.
        p: Two-sided, adjusted by Holm for all pairs of the table; NaN where there is none.
        low: Lower end of the 95 % interval; NaN where there is none.
        high: Upper end.
    """

    point: float
    p: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Test:
    """One kind of test of all pairs.

    Attributes:
        title: Its name.
        explanation: What it tells and what not.
        names: The rows compared, the best one first.
        cells: (row, column) to row less column, both ways round.
        notes: Which rows are left out, and why.
    """

    title: str
    explanation: str
    names: tuple[str, ...]
    cells: Mapping[tuple[str, str], Paired]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rank:
    """How one row's rank varies over splits: mean, standard deviation, share of first ranks."""

    name: str
    mean: float
    sd: float
    first: float


@dataclass(frozen=True)
class Comparison:
    """All paired tests of a table.

    Attributes:
        tests: Within the view's test images, and over splits where there are several.
        ranks: By mean rank; empty below two splits or rows.
        rank_note: How much the order depends on the split.
        winner: The system that a test tells from every other row, and that test in words.
        block: Which rows are compared; see ``Entry.block``.
    """

    tests: tuple[Test, ...]
    ranks: tuple[Rank, ...]
    rank_note: str
    winner: tuple[str, str] | None
    block: str = ""


def compare(entries: Sequence[Entry], view: View, block: str = "") -> Comparison:
    """Compare the systems of one block, and label-only, in pairs.

    Args:
        entries: Rows, the best one of each block first.
        view: The test images of the comparison within one split.
        block: Which systems; see ``Entry.block``. One that sees the reference has another task than
            one that does not, so they are not put against each other.
    """
    comparable = [e for e in entries if e.view is not None and _compared(e, block)]
    if block:
        comparable.sort(key=lambda e: e.kind != "system")  # label-only comes last, not first
    rows = comparable[:MOST_ROWS]
    left_out: tuple[str, ...] = ()
    if len(rows) < len(comparable):
        left_out = (f"Of {len(comparable)} rows, the best {MOST_ROWS} are compared (--rows).",)
    found = (_within(rows, view), _over_splits(rows))
    tests = [
        replace(test, title=titled(test.title, block), notes=(*test.notes, *left_out))
        for test in found
        if test is not None
    ]
    ranks, note = _ranks(rows)
    return Comparison(tuple(tests), ranks, note, _winner(rows, tests), block)


def titled(title: str, block: str) -> str:
    """Say in a title which block it is about, unless it is the first."""
    return f"{title}, {block}" if block else title


def paired_scores(first: Entry, second: Entry) -> tuple[Floats, Floats, Floats, list[str]]:
    """Return two rows' scores of the same test images, the labels and what the images show.

    Returns:
        (N,) scores of the first, of the second, labels, groups.

    Raises:
        DataError: Their test images are not the same.
    """
    a, b = first.view, second.view
    if a is None or b is None or set(a.image) != set(b.image):
        raise DataError(
            f"'{first.name}' and '{second.name}' were tested on different splits "
            f"({first.view_label or 'none'}; {second.view_label or 'none'}), so their images "
            "cannot be paired. Train both on the same split, e.g. with the same split.seed."
        )
    place = {image: row for row, image in enumerate(b.image)}
    return a.score, b.score[[place[image] for image in a.image]], a.mos, groups_of(a)


def _compared(entry: Entry, block: str) -> bool:
    if entry.kind == "system":
        return entry.block == block
    return entry.name == LABEL_ONLY


def _within(rows: Sequence[Entry], view: View) -> Test | None:
    found, notes = {}, []
    for first, second in itertools.combinations(rows, 2):
        try:
            a, b, mos, groups = paired_scores(first, second)
        except DataError as error:
            notes.append(str(error))
            continue
        pair = (first.name, second.name)
        found[pair] = difference(a, b, mos, groups, first.sizes)
    if not found and not notes:
        return None
    tested = [pair for pair, result in found.items() if not math.isnan(result.p)]
    adjusted = dict(zip(tested, holm([found[pair].p for pair in tested]).tolist(), strict=True))
    cells = {
        pair: Paired(d.point, adjusted.get(pair, math.nan), d.low, d.high)
        for pair, d in found.items()
    }
    reasons = [d.reason.partition(";")[0] for d in found.values() if d.reason and math.isnan(d.p)]
    notes += [f"Without a test: {reason}." for reason in dict.fromkeys(reasons)]
    return Test(
        f"Paired bootstrap on {view.label}",
        "Difference in SRCC on the same test images, with its 95 % interval over resampled "
        "references, and p adjusted by Holm. It tells what other images would change, not what "
        "other splits or training runs would.",
        tuple(row.name for row in rows),
        _both_ways(cells),
        tuple(notes),
    )


def _over_splits(rows: Sequence[Entry]) -> Test | None:
    splits, kept, notes = _shared_splits(rows)
    if len(splits) < 2 or len(kept) < 2:
        return None
    results = {row.name: [row.mean_at(split, "srcc") for split in splits] for row in kept}
    names = tuple(results)
    folds = _folds(kept, splits)
    if folds is not None and len(splits) >= FEWEST_FOLDS:
        differences = {
            (a, b): np.array(results[a]) - np.array(results[b])
            for a, b in itertools.combinations(names, 2)
        }
        found = {pair: wilcoxon(values, folds) for pair, values in differences.items()}
        adjusted = holm([test.p for test in found.values()])
        cells = {
            pair: Paired(float(differences[pair].mean()), float(p))
            for pair, p in zip(found, adjusted, strict=True)
        }
        least = min(1.0, 2.0 ** (1 - len(splits)) * len(found))
        if least >= SIGNIFICANT:
            notes.append(
                f"{len(splits)} folds cannot tell {len(found)} pairs apart: after Holm's "
                f"correction the least p is {least:.3f}. Compare fewer rows (--rows), or take "
                "more folds."
            )
        title = f"Wilcoxon signed-rank test over {len(splits)} disjoint folds"
        explanation = "Mean difference in SRCC over folds; p exact, adjusted by Holm."
    else:
        train, test = _sizes(kept, splits)
        compared = compare_systems(results, train, test)
        cells = {pair: Paired(c.test.mean, c.p_holm) for pair, c in compared.items()}
        title = f"Corrected resampled t-test over {len(splits)} splits"
        explanation = (
            "Mean difference in SRCC over splits that share images; the variance is corrected for "
            f"that (Nadeau and Bengio, 2003; {train} training and {test} test images), p adjusted "
            "by Holm."
        )
    return Test(title, explanation, names, _both_ways(cells), tuple(notes))


def _ranks(rows: Sequence[Entry]) -> tuple[tuple[Rank, ...], str]:
    splits, kept, _ = _shared_splits(rows)
    if len(splits) < 2 or len(kept) < 2:
        return (), ""
    found = rank_stability([[row.mean_at(split, "srcc") for split in splits] for row in kept])
    ranks = [
        Rank(row.name, *map(float, numbers))
        for row, *numbers in zip(kept, found.mean_rank, found.sd_rank, found.best, strict=True)
    ]
    note = f"Ranks by SRCC on each of {len(splits)} splits. "
    if not math.isnan(found.concordance):
        note += (
            f"Kendall's W = {found.concordance:.2f}: 1 if every split gives the same order, 0 if "
            "splits agree no more than chance."
        )
    return tuple(sorted(ranks, key=lambda rank: rank.mean)), note.strip()


def _shared_splits(rows: Sequence[Entry]) -> tuple[list[str], list[Entry], list[str]]:
    """Return the splits of the row that has most, the rows that have all these, and who has not."""
    if not rows:
        return [], [], []
    splits = list(max(rows, key=lambda row: len(row.splits)).splits)
    complete = [row for row in rows if set(splits) <= set(row.splits)]
    kept = [
        row
        for row in complete
        if not any(math.isnan(row.mean_at(split, "srcc")) for split in splits)
    ]
    notes = [
        f"Not compared: '{row.name}' was tested on {len(set(splits) & set(row.splits))} of these "
        f"{len(splits)} splits. Train it on the others too."
        for row in rows
        if row not in complete
    ]
    undefined = [f"'{row.name}'" for row in complete if row not in kept]
    if undefined:
        notes.append(f"Not compared, because SRCC is undefined on a split: {listed(undefined)}.")
    return splits, kept, notes


def _folds(rows: Sequence[Entry], splits: Sequence[str]) -> list[set[Hashable]] | None:
    """Return the test images of folds of one division; None if the splits are no such folds."""
    families = {run.fold[0] if run.fold else "" for row in rows for run in row.runs}
    if len(families) != 1 or "" in families:
        return None
    outcomes = {outcome.split: outcome for outcome in rows[0].outcomes}
    return [set(outcomes[split].test.image) for split in splits]


def _sizes(rows: Sequence[Entry], splits: Sequence[str]) -> tuple[int, int]:
    """Return the mean numbers of training and test images of a split."""
    runs = {run.split: run for row in rows for run in row.runs if run.split in splits}
    test = [run.predictions.subset.count("test") for run in runs.values()]
    train = [run.train_images or run.predictions.subset.count("train") for run in runs.values()]
    # Without known training images, 60/20/20.
    sizes = [size or 3 * tested for size, tested in zip(train, test, strict=True)]
    return round(float(np.mean(sizes))), round(float(np.mean(test)))


def _winner(rows: Sequence[Entry], tests: Sequence[Test]) -> tuple[str, str] | None:
    """Return the best system if the last test (over splits, if there is one) tells it from all."""
    best = next((row.name for row in rows if row.kind == "system"), None)
    if best is None or not tests or len(rows) < 2:
        return None
    test = tests[-1]
    others = [row.name for row in rows if row.name != best]
    found = [test.cells.get((best, other)) for other in others]
    if all(pair is not None and pair.point > 0 and pair.p < SIGNIFICANT for pair in found):
        return best, f"higher SRCC than every other row compared, {test.title}, Holm p < .05"
    return None


def _both_ways(cells: Mapping[tuple[str, str], Paired]) -> dict[tuple[str, str], Paired]:
    turned = {(b, a): Paired(-d.point, d.p, -d.high, -d.low) for (a, b), d in cells.items()}
    return {**cells, **turned}
