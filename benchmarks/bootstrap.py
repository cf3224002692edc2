"""Seconds for the bootstrap over references: 2,000 resamples of 1,000 images.

python benchmarks/bootstrap.py
"""

import argparse
import time
from typing import Literal

import numpy as np

from hmtnet.metrics import bootstrap, mapped_plcc

METHODS = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--mapped", action="store_true", help="also PLCC after mapping: a minute")
    given = parser.parse_args()
    random = np.random.default_rng(0)
    mos = random.normal(size=given.images)
    score = mos + random.normal(size=given.images)
    images = np.arange(given.images)
    cells = (images % METHODS).tolist()
    names: list[Literal["srcc", "plcc", "krcc", "rmse", "within_tau"]]
    names = ["srcc", "plcc", "krcc", "rmse", "within_tau"]
    bootstrap(score, mos, images.tolist(), "srcc", resamples=2)  # a first call does not count
    print(f"{given.resamples:,} resamples of {given.images:,} images, seconds")
    for groups in (40, given.images):
        reference = (images * groups // given.images).tolist()
        print(f"  {groups} groups")
        for name in names:
            start = time.perf_counter()
            interval = bootstrap(
                score,
                mos,
                reference,
                name,
                resamples=given.resamples,
                cells=cells if name == "within_tau" else None,
            )
            taken = time.perf_counter() - start
            print(f"    {name:<12}{taken:8.3f}   [{interval.low:.4f}, {interval.high:.4f}]")
    if given.mapped:
        start = time.perf_counter()
        interval = bootstrap(
            score,
            mos,
            (images * 40 // given.images).tolist(),
            lambda s, m: mapped_plcc(s, m).value,
            resamples=given.resamples,
        )
        taken = time.perf_counter() - start
        print(f"  40 groups, one by one\n    mapped_plcc {taken:8.1f}")


if __name__ == "__main__":
    main()
