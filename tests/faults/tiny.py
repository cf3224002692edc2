"""The smallest real training of every system: two dozen images, seconds on one core."""

from pathlib import Path

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

STAGES = {
    "hmtnet": ("grading", "sfen", "joint"),
    "plain": ("plain",),
    "ridge": ("ridge",),
    "cnniqa": ("cnniqa",),
    "pmt": ("pmt",),
    "ahiq": ("ahiq",),
    "nemg": ("nemg",),
    "mfen": ("dan", "quality"),
}

EPOCHS = 4


def words_for(
    system: str, data: Path, runs: Path, *more: str, seed: str = "0", epochs: int = EPOCHS
) -> list[str]:
    """Return the words of the training command.

    Args:
        system: Name of the system.
        data: Folder of the dataset, in the layout of QADS.
        runs: Folder of runs.
        more: Further settings.
        seed: Of the training and the split.
        epochs: Of every stage but those that are solved for in one.
    """
    words = [
        *("train", f"system={system}", "data=qads", f"data.root={data}", f"runs={runs}"),
        *("trainer=cpu", "size.crops={size: 48, count: 1, grid: 1}", "size.batch_size=4"),
        *("system.grades.count=3", "split.fractions=[0.34,0.33,0.33]", f"seed={seed}"),
    ]
    if system != "cnniqa":  # has no backbone
        words.append("size.backbone.widths=[16,16,16,16]")
    if system != "ridge":
        words += [f"system.{stage}.epochs={epochs}" for stage in STAGES[system]]
    return [*words, *more]
