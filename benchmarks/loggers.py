"""What a logger costs a training, as a part of an epoch on the demo.

What is told per epoch and a picture of maps are timed while a stage trains, in one run; the picture
counts as often as it is made by default. What comes before and after the training is in seconds.

    python benchmarks/loggers.py
    python benchmarks/loggers.py --epochs 5 --loggers wandb
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hmtnet.artifact.store import read_meta
from hmtnet.cli.main import main as hmtnet
from hmtnet.experiment.loggers.stage_log import StageLog
from hmtnet.experiment.run_settings import LoggerSettings

MOST = 0.03


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--loggers", nargs="+", default=["wandb", "tensorboard"])
    given = parser.parse_args()
    seconds: Counter[str] = Counter()
    for name in ("open", "log_metrics", "pictures", "result", "close"):
        setattr(StageLog, name, timed(getattr(StageLog, name), name, seconds))
    for logger in given.loggers:
        seconds.clear()
        with tempfile.TemporaryDirectory() as folder:
            print(f"{logger}: {told(logger, given.epochs, Path(folder), seconds)}", flush=True)


def told(logger: str, epochs: int, runs: Path, seconds: Counter[str]) -> str:
    """Train a stage, and say what its logger has cost."""
    words = [f"logger={logger}", f"logger.maps_every={epochs}", "logger.mode=offline"]
    words += [f"runs={runs}", "stages=[grading]", f"system.grading.epochs={epochs}"]
    assert hmtnet(["train", *words, "evaluate.train=false", "report=false"]) == 0
    (path,) = runs.glob("demo/*/grading-*")
    training = float(read_meta(path)["cost"]["seconds"])
    epoch = (training - seconds["log_metrics"] - seconds["pictures"]) / epochs
    rows, maps = seconds["log_metrics"] / epochs / epoch, seconds["pictures"] / epoch
    every = LoggerSettings().maps_every
    return (
        f"an epoch takes {epoch:.2f} s; its row {rows:.2%} of that, maps {maps:.1%} every {every} "
        f"epochs; together {rows + maps / every:.2%} (aim: at most {MOST:.0%}); besides, once: "
        + ", ".join(f"{name} {seconds[name]:.2f} s" for name in ("open", "result", "close"))
    )


def timed(method: Callable[..., Any], name: str, seconds: Counter[str]) -> Callable[..., Any]:
    """Return a method that adds what it takes to ``seconds``."""

    def measured(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            seconds[name] += time.perf_counter() - start

    return measured


if __name__ == "__main__":
    main()
