"""hmtnet: judging super-resolved images without a reference, with numbers that can be trusted.

What most people need, by one import; each name is imported when it is first used:

- ``load(model)`` → ``Scorer``: scores, grades and maps of images by a finished stage, given by its
  folder, its name or its address on the hub; ``push_model(folder, "hf://owner/name")``;
- ``train(*settings)`` and ``sweep(*settings)``: what the command line does, with its words;
- ``curves(run)`` and ``predictions(run)``: what a run has learned and predicted, as data frames;
- ``read_dataset(name, root=…)``, ``verify(dataset)`` and ``split(dataset, protocol, seed=…)``:
  records, whether their folder is sound, and which of them train, validate and test;
- ``baselines`` and ``metrics``: predictors that never look at a pixel, and correlation done right;
- ``runs(folder)`` and ``compare_runs(folder)``: finished runs, and the tests between them, as data
  frames; ``read_ablation(folder)``: what each question of an ablation changed;
- ``compare_methods(scores)``: which SR method is better, by scores of any kind;
- ``perception`` and ``Grades``: what HMTNet sees in an image, and how scores are cut into grades;
- ``list_systems()`` and ``list_datasets()``: what there is;
- ``HmtnetError``: the base of all errors that bad input has caused.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hmtnet import baselines, metrics, perception
    from hmtnet.cli.ablation import read_ablation
    from hmtnet.cli.calls import sweep, train
    from hmtnet.cli.push import push_model
    from hmtnet.data.grades import Grades
    from hmtnet.data.protocols import split
    from hmtnet.data.readers import list_datasets, read_dataset
    from hmtnet.data.verify import verify
    from hmtnet.errors import HmtnetError
    from hmtnet.models.system import list_systems
    from hmtnet.report.numbers.frames import compare_runs, curves, predictions, runs
    from hmtnet.report.numbers.methods import compare_methods
    from hmtnet.scoring.scorer import Scorer, load

__version__ = "0.1.0"

__all__ = [
    "Grades",
    "HmtnetError",
    "Scorer",
    "baselines",
    "compare_methods",
    "compare_runs",
    "curves",
    "list_datasets",
    "list_systems",
    "load",
    "metrics",
    "perception",
    "predictions",
    "push_model",
    "read_ablation",
    "read_dataset",
    "runs",
    "split",
    "sweep",
    "train",
    "verify",
]

_MODULES = {
    "Grades": "hmtnet.data.grades",
    "HmtnetError": "hmtnet.errors",
    "Scorer": "hmtnet.scoring.scorer",
    "compare_methods": "hmtnet.report.numbers.methods",
    "compare_runs": "hmtnet.report.numbers.frames",
    "curves": "hmtnet.report.numbers.frames",
    "list_datasets": "hmtnet.data.readers",
    "list_systems": "hmtnet.models.system",
    "load": "hmtnet.scoring.scorer",
    "predictions": "hmtnet.report.numbers.frames",
    "push_model": "hmtnet.cli.push",
    "read_ablation": "hmtnet.cli.ablation",
    "read_dataset": "hmtnet.data.readers",
    "runs": "hmtnet.report.numbers.frames",
    "split": "hmtnet.data.protocols",
    "sweep": "hmtnet.cli.calls",
    "train": "hmtnet.cli.calls",
    "verify": "hmtnet.data.verify",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if name in __all__:
        return import_module(f"hmtnet.{name}")
    raise AttributeError(f"module 'hmtnet' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
