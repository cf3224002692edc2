"""What a logged run is found by: its name, its group, its tags and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hmtnet.data.split import Split
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.describe import describe_split
from hmtnet.experiment.plan import Planned
from hmtnet.experiment.settings import composed

_LONGEST_TAG = 64
_LONGEST_NAME = 128
# Where a run lies, who is told of it and what is printed: nobody groups by it, and a path may say
# more of a machine than its owner wants to publish.
_OF_THE_MACHINE = ("runs", "logger", "format", "report", "sweep_name", "upstream", "stages")


@dataclass(frozen=True)
class Card:
    """What a run is found by.

    Attributes:
        key: The stage's key; W&B's id of the run.
        name: What people read: ``hmtnet/joint qads content-s0``.
        group: The sweep, else the chain.
        stage: The stage; W&B's job type.
        last: Whether it is the last one of its chain.
        tags: Dataset, split, system, and what a reader must know of the numbers.
        config: The typed settings as a tree, without other stages that this one does not build on,
            and ``run``: what the stage is known by.
    """

    key: str
    name: str
    group: str
    stage: str
    last: bool
    tags: tuple[str, ...]
    config: Mapping[str, Any]


def chain_name(context: RunContext, last: Planned) -> str:
    """Return what a chain is called: it ends with the key of its last stage."""
    return f"{context.system.name} {context.manifest.name} {context.split.id} {last.key}"


def card_of(context: RunContext, planned: Planned, chain: str) -> Card:
    """Describe a stage's run before it begins."""
    settings, split, stage = context.settings.logger, context.split, planned.stage.name
    split_name = split.id.rpartition("-")[0]  # without the digest of its members
    part = "" if context.whole is None else f" fold {planned.directory.path.name.split('-')[0]}"
    name = f"{context.system.name}/{stage} {context.manifest.name} {split_name}{part}"
    changes = _changes_of(context, stage)
    caps = context.caps(context.settings.system.stages[stage])
    tags = [
        *(context.manifest.name, split.id, context.system.name, *settings.tags),
        *(["capped"] if caps else []),
        *(["leaky"] if split.leaky else []),
        *(["chosen on test"] if context.chosen_on_test else []),
    ]
    return Card(
        key=planned.key,
        name=" ".join([name, *changes])[:_LONGEST_NAME],
        group=(settings.group or chain)[:_LONGEST_NAME],
        stage=stage,
        last=chain.endswith(planned.key),
        tags=tuple(dict.fromkeys(tag[:_LONGEST_TAG] for tag in tags)),
        config=_config(context, planned, split),
    )


def _changes_of(context: RunContext, stage: str) -> list[str]:
    """Return what a trial changes, without the settings of the system's other stages."""
    others = {f"system.{other.name}." for other in context.system.stages if other.name != stage}
    changes = context.settings.logger.changes
    return [said for name, said in changes.items() if not name.startswith(tuple(others))]


def _config(context: RunContext, planned: Planned, split: Split) -> dict[str, Any]:
    tree = composed(context.settings)
    tree = {name: value for name, value in tree.items() if name not in _OF_THE_MACHINE}
    used = {planned.stage.name, *planned.upstream}
    unused = {stage.name for stage in context.system.stages} - used
    tree["system"] = {name: part for name, part in tree["system"].items() if name not in unused}
    for data in (tree["data"], tree["other"]):
        if data:
            data["root"] = None
    tree["run"] = {
        "stage": planned.stage.name,
        "key": planned.key,
        "dataset": context.manifest.name,
        "label_kind": context.manifest.label_kind,
        "split": describe_split(split),
        # Keys are W&B's ids of runs: here they lead to the runs that this one starts from.
        "upstream": {name: given.key for name, given in planned.upstream.items()},
    }
    return tree
