"""What it costs to record the digests of a finished chain's files, and to verify them.

    python benchmarks/verification.py runs/demo

Needs a folder of finished runs, whose ``stage.json`` say how long each training took. Times are of
the processor, the fastest of several. Checkpoints have gone by then: counted is one per epoch,
of the size that Adam's moments, the weights and the best weights take. Exits with 1 if recording
takes 2 % of the training or more, or if verifying a reused chain takes 0.2 s.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

from hmtnet.artifact.description import (
    as_text,
    check_files,
    enveloped,
    need,
    read_document,
    without_envelope,
)
from hmtnet.artifact.digests import RECORDED, WEIGHTS_FILE, records_of
from hmtnet.files import digest_file
from hmtnet.report.render.terminal import text_table
from hmtnet.storage.inventory import find_runs

MOST_SHARE, MOST_SECONDS = 0.02, 0.2
IN_A_CHECKPOINT = 4  # weights, two moments of Adam, the best weights


def main() -> int:
    """Measure each finished stage in a folder, and show the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of finished runs")
    found = find_runs(parser.parse_args().runs)
    stages = [run.path for run in found if (run.path / WEIGHTS_FILE).is_file()]
    if not stages:
        sys.exit("No finished stage there. Train first: hmtnet train.")
    rows = [(path.name, *measure(path)) for path in stages]
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    titles = ["stage", "training, s", "recording, ms", "checkpoints, ms", "verifying, ms"]
    table = [
        [name, f"{training:.0f}", *(f"{1000 * seconds:.1f}" for seconds in rest)]
        for name, training, *rest in [*rows, ("all", *sums)]
    ]
    print(text_table(titles, table, 1))
    training, recording, checkpoints, verifying = sums
    share = (recording + checkpoints) / training
    print(f"recording: {share:.3%} of the training; verifying: {verifying:.3f} s")
    return int(share >= MOST_SHARE or verifying >= MOST_SECONDS)


def measure(folder: Path) -> tuple[float, float, float, float]:
    """Return seconds of a stage's training, of recording, of checkpoints, and of verifying."""
    document = read_document(folder)
    meta = without_envelope(document)
    epochs = need(folder, meta, int, "settings", "epochs")
    with NamedTemporaryFile() as checkpoint:
        checkpoint.write(bytes(IN_A_CHECKPOINT * (folder / WEIGHTS_FILE).stat().st_size))
        checkpoint.flush()
        proving = fastest(lambda: digest_file(Path(checkpoint.name)))
    return (
        float(meta["cost"]["seconds"]),
        fastest(lambda: as_text(enveloped(meta, records_of(folder)))),
        epochs * proving,
        fastest(lambda: check_files(folder, RECORDED)),
    )


def fastest(call: Callable[[], object], times: int = 7) -> float:
    """Return the seconds of processor time that a call takes at its fastest."""

    def once() -> float:
        before = time.process_time()
        call()
        return time.process_time() - before

    return min(once() for _ in range(times))


if __name__ == "__main__":
    sys.exit(main())
