"""What ``hmtnet train`` runs once its settings are right: the chain, and the closing table."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.artifact.description import need
from hmtnet.baselines import Baseline
from hmtnet.cli.composing import chosen_option, is_multirun, launches_in_process, sweep_name
from hmtnet.cli.trial import Outcome, changes, watch_of
from hmtnet.data.grades import Grades
from hmtnet.data.join import label_kind_of
from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.experiment.baseline import write_baselines
from hmtnet.experiment.chain import ChainResult, run_chain
from hmtnet.experiment.loggers.wandb_runs import sync_words
from hmtnet.experiment.processes import is_helper
from hmtnet.experiment.settings import TrainSettings
from hmtnet.experiment.stage import StageResult
from hmtnet.metrics.mapping import fit_mapping
from hmtnet.models.system import System
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.summary import summarise
from hmtnet.report.render import figures
from hmtnet.report.render.closing import Row, as_records, closing_table, heading
from hmtnet.report.render.formats import decimals, percent
from hmtnet.report.render.page import as_html
from hmtnet.report.render.write import PAGE, write_figure, write_files

log = logging.getLogger(__name__)

CAPPED = "capped by trainer.debug: these numbers mean nothing"
BEST_ON_TEST = "epoch chosen on the test images: inflated, not to be quoted"
ORACLE = "reads the true grade of every image: a bound, not a result"
KEPT_START = "no epoch beat its start on validation: the network as the stage before left it"


def run(settings: TrainSettings, system: System, quiet: bool = False) -> Outcome | None:
    """Run the chain as the command line asks for it, and show the result.

    Args:
        settings: The command's settings.
        system: The system.
        quiet: Leave everything that a run leaves, and print no table.

    Returns:
        What it has come to; None in a process that only helps another one to train.
    """
    if is_multirun():
        settings = _for_sweep(settings)
    elif settings.evaluate.test is None:
        settings = replace(settings, evaluate=replace(settings.evaluate, test=True))
    if ablation := chosen_option("ablation"):
        tags = (*settings.logger.tags, f"ablation={ablation}")
        settings = replace(settings, logger=replace(settings.logger, tags=tags))
    helps = is_helper(settings.trainer)
    if helps:
        logging.getLogger("hmtnet").setLevel(logging.ERROR)  # the leader tells
    last = (settings.stages or [stage.name for stage in system.stages])[-1]
    result = run_chain(settings, system, None if helps else watch_of(last))
    if helps:
        return None
    _show(settings, result, quiet or is_multirun())  # a multirun has one table, at its end
    judged = result.stages[-1]
    runs = {stage.stage: stage.directory.path for stage in result.stages}
    return Outcome(judged.objective, judged.key, runs)


def _for_sweep(settings: TrainSettings) -> TrainSettings:
    """Adapt the settings of one job of a multirun."""
    if settings.trainer.devices > 1 and launches_in_process():
        raise SettingsError(
            f"trainer.devices={settings.trainer.devices} under multirun: every process that "
            "Lightning starts would run the whole sweep again. Give each job one device "
            "(trainer.devices=1), or launch jobs on a cluster (hydra/launcher=submitit_slurm)."
        )
    group = settings.logger.group or sweep_name()
    logger = replace(settings.logger, group=group, changes=changes())
    evaluate = replace(settings.evaluate, test=bool(settings.evaluate.test))
    return replace(settings, logger=logger, evaluate=evaluate)


def _show(settings: TrainSettings, result: ChainResult, quiet: bool) -> None:
    """Write the baselines, draw the last stage's result, and print a table for each dataset."""
    manifest, split, last = result.manifest, result.split, result.stages[-1]
    # A final fit has no test images.
    tested = settings.evaluate.test and bool(split.test)
    subset: Literal["val", "test"] = "test" if tested else "val"
    tables = _tables(settings, result, subset)
    if quiet:
        _draw(result, subset)
        return
    page = _page(settings, result) if settings.report and tested else None
    if settings.format == "json":
        runs = {stage.stage: str(stage.directory.path) for stage in result.stages}
        document = {
            "dataset": manifest.name,
            "label_kind": manifest.label_kind,
            "split": split.id,
            "leaky": split.leaky,
            "runs": runs,
            "page": None if page is None else str(page),
            "results": [
                record if name is None else {"of": name, **record}
                for name, rows in tables.items()
                for record in as_records(rows)
            ],
        }
        print(json.dumps(document, indent=2))
        return
    for name, rows in tables.items():
        sizes = [found.n for row in rows if (found := getattr(row, subset)) is not None]
        if not sizes:  # a small dataset may have no image there
            continue
        kind, n = label_kind_of(manifest, name), max(sizes)
        title = heading(name or manifest.name, split.protocol, subset, n, kind, leaky=split.leaky)
        print(f"\n{closing_table(rows, title, subset)}")
    _draw(result, subset)
    print(f"\npictures and predictions: {last.directory.path}")
    sync = sync_words([stage.directory for stage in result.stages])
    if settings.logger.name == "wandb" and sync is not None:
        print(f"W&B, logged offline; to send it: {sync}")
    if settings.logger.name == "tensorboard":
        print(f"to look at the curves: tensorboard --logdir {last.directory.path.parent}")
    if page is not None:
        print(f"page: {page}")


def _page(settings: TrainSettings, result: ChainResult) -> Path | None:
    """Make a page of the finished chain; None where that cannot be, or it would show nothing."""
    last = result.stages[-1].directory
    if store.read_meta(last.path).get("debug") is not None:  # a report has no capped runs
        return None
    title = f"{settings.system.name} on {result.manifest.name}"
    try:
        found = build_report(collect([stage.directory.path for stage in result.stages]), title)
        write_files(last.path, {PAGE: as_html(found)})
    except HmtnetError as error:
        log.warning("No page of the chain was made: %s", error)
        return None
    return last.path / PAGE


def _tables(
    settings: TrainSettings, result: ChainResult, subset: Literal["val", "test"]
) -> dict[str | None, list[Row]]:
    """Write the baselines; return the rows of each of several datasets, of one under None."""
    datasets = result.manifest.datasets
    tables: dict[str | None, list[Row]] = {}

    def add(name: str, path: Path, note: str = "", baseline: Baseline | None = None) -> None:
        for dataset, found in prediction_files.read(path).apart().items():
            if baseline is not None:
                rows = [row for row in result.split.subsets[subset] if datasets[row] == dataset]
                share = baseline.fallback(rows)
                note = f"{100 * share:.1f} % of images by a coarser mean" if share > 0 else ""
            val, test = (
                summarise(found, each) if each in found.subsets else None
                for each in ("val", "test")
            )
            row = Row(name, val, test if subset == "test" else None, note)
            tables.setdefault(dataset, []).append(row)

    for baseline, path in _baselines(settings, result):
        add(baseline.name, path, baseline=baseline)
    for stage in result.stages:
        add(stage.stage, stage.directory.predictions, _note(settings, stage))
    return tables


def _baselines(settings: TrainSettings, result: ChainResult) -> list[tuple[Baseline, Path]]:
    """Write what baselines predict; return those that apply, and where their predictions lie."""
    folder = result.stages[-1].directory.path
    meta = store.read_meta(folder)
    if (
        meta.get("debug") is not None
    ):  # a capped run predicts a part of the images; baselines would mislead
        return []
    grades = Grades(tuple(need(folder, meta, list, "grades", "edges_unit")))
    written = []
    for baseline, path in write_baselines(
        Path(settings.runs), result.manifest, result.split, grades
    ):
        if path is None:
            log.info("%s: not applicable, %s", baseline.name, baseline.reason)
        else:
            written.append((baseline, path))
    return written


def _note(settings: TrainSettings, stage: StageResult) -> str:
    """Return what a reader must know about a stage's numbers."""
    meta = store.read_meta(stage.directory.path)
    told = ""
    if meta.get("oracle"):
        told = ORACLE
    elif settings.evaluate.selection == "best_on_test":
        told = BEST_ON_TEST
    elif meta.get("debug"):
        told = CAPPED
    elif meta.get("kept_start"):
        told = KEPT_START
    elsewhere = f"trained before, under other conditions: {stage.differs}" if stage.differs else ""
    return "; ".join(filter(None, (told, elsewhere)))


def _draw(result: ChainResult, subset: Literal["val", "test"]) -> None:
    """Draw the last stage's result into its run directory, unless nothing can be written there."""
    try:
        _write_figures(result, subset)
    except OSError as error:
        log.warning("The pictures were not drawn: %s", error)


def _write_figures(result: ChainResult, subset: Literal["val", "test"]) -> None:
    """Draw the last stage's result, of several datasets each by itself."""
    manifest, last = result.manifest, result.stages[-1]
    folder = last.directory.path
    mos = "pseudo-MOS (not human)" if manifest.label_kind == "pseudo" else "MOS"
    judged = prediction_files.read(last.directory.predictions).select(subset)
    for dataset, shown in judged.apart().items():
        numbers, ending = summarise(shown, subset), "" if dataset is None else f"-{dataset}"
        caption = f"{last.stage} on {dataset or manifest.name}, {subset} images"
        told = f"SRCC {decimals(numbers.srcc)}, PLCC {decimals(numbers.plcc)}, {len(shown)} images"
        scatter = figures.scatter(shown, fit_mapping(shown.score, shown.mos), last.stage, mos)
        write_figure(scatter, folder / f"scatter{ending}.svg", caption, told)
        if shown.probabilities.shape[1]:
            confusion = figures.confusion(shown, last.stage)
            right, near = percent(numbers.accuracy, 0), percent(numbers.adjacent_accuracy, 0)
            told = f"{right} of grades right, {near} at most one off"
            write_figure(confusion, folder / f"grades{ending}.svg", caption, told)
