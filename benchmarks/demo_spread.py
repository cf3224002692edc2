"""How much the demo's result depends on the seed and on the number of threads.

Trains the demo once for each seed and number of threads, on one split, each in a process of its
own. A row is added to ``demo_spread.csv`` as a training ends. The same command goes on where it was
stopped, also in the midst of a training, and shows what there is at once with ``--show``. Code
that has changed needs a new folder.

    python benchmarks/demo_spread.py build/spread
    python benchmarks/demo_spread.py build/spread --threads 1 --settings system.sfen.ema=0.98

What ``--settings`` says is given to each training, and told apart in the table.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from hmtnet.files import write_table

COLUMNS = ("settings", "seed", "threads", "row", "srcc", "val_srcc", "within_tau")

Row = dict[str, str]


def main() -> None:
    """Train what is asked for and not yet done; show the spread of all there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("output", type=Path, help="folder of the table and of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--split", type=int, default=0, help="seed of the one split")
    parser.add_argument("--show", action="store_true", help="train nothing")
    parser.add_argument("--settings", nargs="+", default=[], help="of hmtnet train")
    given = parser.parse_args()
    table = given.output / "demo_spread.csv"
    rows = read(table)
    words = [f"split.seed={given.split}", *given.settings]
    # Each number of threads gets all its seeds before the next, so that what is cut short is whole.
    for threads, seed in product(() if given.show else given.threads, given.seeds):
        case = {"settings": " ".join(words), "seed": str(seed), "threads": str(threads)}
        if any(row.items() >= case.items() for row in rows):
            continue
        found = train(given.output / f"threads-{threads}", seed, threads, words)
        rows += [{**case, **row} for row in found]
        write_table(table, COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
        print(f"seed {seed}, {threads} threads: {found[-1]['row']} {found[-1]['srcc']}", flush=True)
    show(rows)


def read(table: Path) -> list[Row]:
    """Return the rows of a table; none where there is none."""
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def train(folder: Path, seed: int, threads: int, words: Sequence[str]) -> list[Row]:
    """Train the demo by the command line and return its closing table.

    The key of a run does not know the number of threads, so each number has a folder of its own.
    """
    own = [f"runs={folder}", f"seed={seed}", f"trainer.threads={threads}", "trainer=cpu"]
    command = [sys.executable, "-m", "hmtnet", "train", *own, *words, "format=json"]
    # More threads than free cores must not wait by spinning; sums are the same.
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    results = json.loads(done.stdout)["results"]
    val = {found["name"]: found["srcc"] for found in results if found["subset"] == "val"}
    return [
        {
            "row": found["name"],
            "srcc": f"{found['srcc']:.4f}",
            "val_srcc": f"{val[found['name']]:.4f}",
            "within_tau": "" if found["within_tau"] is None else f"{found['within_tau']:.4f}",
        }
        for found in results
        if found["subset"] == "test"
    ]


def show(rows: Sequence[Row]) -> None:
    """Print the median, the quartiles' distance and the range of each row's test SRCC."""
    for settings in dict.fromkeys(row["settings"] for row in rows):
        print(settings)
        ours = [row for row in rows if row["settings"] == settings]
        for name in dict.fromkeys(row["row"] for row in ours):
            srcc = np.array([float(row["srcc"]) for row in ours if row["row"] == name])
            low, median, high = np.percentile(srcc, (25, 50, 75))
            print(
                f"  {name:<12}{len(srcc):3} trainings: SRCC median {median:.3f}, interquartile "
                f"range {high - low:.3f}, {srcc.min():.3f} to {srcc.max():.3f}"
            )


if __name__ == "__main__":
    main()
