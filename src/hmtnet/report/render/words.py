"""The words of a report that do not depend on its numbers."""

from hmtnet.report.numbers.intervals import RESAMPLES
from hmtnet.report.numbers.model import Report
from hmtnet.report.numbers.quantities import QUANTITIES
from hmtnet.report.numbers.run import BEST_ON_TEST
from hmtnet.report.numbers.sections import FULL_REFERENCE, IN_TRAINING
from hmtnet.report.render.formats import DASH, counted


def introduction(report: Report) -> list[str]:
    """Say what the report is made of, in a few sentences."""
    rows = sum(len(section.systems) for section in report.sections)
    pseudo = any(section.grounds.label_kind == "pseudo" for section in report.sections)
    texts = [
        f"{counted(report.runs, 'finished run')} of {counted(rows, 'system configuration')}, "
        "judged on test images that no network was trained on. Every number is computed from the "
        "runs' predictions.csv.",
        "A system is worth what it adds to the rows that never look at a pixel (label-only, "
        "scale-only, label+reference): on images of known SR methods these already rank well. "
        "within-τ is the part that only pixels can explain; one that stays below sharpness, which "
        "has never learned, has not earned its keep.",
    ]
    if pseudo:
        texts.append(
            "Labels called pseudo-MOS are computed by a formula; no human gave them, and no "
            "conclusion about human opinion follows from them."
        )
    return texts


def how_computed(report: Report) -> list[str]:
    """Say how each number is computed."""
    kinds = {section.grounds.mos for section in report.sections}
    mos = " or ".join(sorted(kinds)) or "MOS"
    texts = [f"{q.title}: {q.meaning.format(mos=mos)}" for q in QUANTITIES]
    texts += [
        "Over splits: a number is computed on each split, averaged over its seeds, and then "
        "summarised over splits by median, mean and standard deviation (n − 1).",
        "Intervals: bootstrap over references, all images of a reference together (over images "
        f"where no reference is named), {RESAMPLES} resamples, percentiles 2.5 and 97.5. Where the "
        "splits are folds of one k-fold division, of the mean SRCC over folds, by references of "
        "all folds; else of SRCC on one split. Below 10 groups no interval is given.",
        "Folds are not pooled by score: each has a predictor of its own, whose offset would order "
        "images of different folds.",
        "Tests: two systems are compared only on the same test images of the same splits. Several "
        "seeds of one system are averaged before they are compared.",
        "label-only, scale-only, label+reference and oracle-grade are recomputed from the training "
        "images in predictions.csv. sharpness (the variance of the Laplacian of the luminance, its "
        "direction taken from the training images) is what training has left beside the runs.",
        f"{DASH}: undefined (a constant prediction orders nothing; too few images) or not "
        "applicable.",
        "Mapped PLCC is never negative: where scores fall as labels rise, so does the curve. The "
        "sign of SRCC tells.",
        f"A row marked “epoch chosen on the test images” (selection: {BEST_ON_TEST}) measures what "
        "that habit is worth; it is no result.",
        "A split marked leaky shows the same content in training and test.",
    ]
    uses = {run.reference for s in report.sections for entry in s.systems for run in entry.runs}
    if uses - {"none"}:
        texts.append(
            f"{FULL_REFERENCE.capitalize()}: such a system judges an image beside its pristine "
            "reference, which is another task; it stands in a block of its own, and the best row "
            f"is chosen within a block. One marked “{IN_TRAINING}” judges without."
        )
    return texts
