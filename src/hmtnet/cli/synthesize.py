"""``hmtnet synthesize``: make an SR-IQA set of a folder of photographs."""

import time
from collections.abc import Sequence
from functools import partial

from hmtnet.cli.composing import run_composed
from hmtnet.data.contact_sheet import CONTACT_SHEET
from hmtnet.errors import listed, printable
from hmtnet.settings import build
from hmtnet.synthesis.build import Built
from hmtnet.synthesis.build import build as build_set
from hmtnet.synthesis.settings import SynthesisSettings


def synthesize(arguments: Sequence[str]) -> int:
    """Run ``hmtnet synthesize`` with Hydra's overrides and return the exit code."""
    run_composed("synthesize", arguments, partial(build, SynthesisSettings), _job)
    return 0


def _job(settings: SynthesisSettings) -> float:
    begin = time.monotonic()
    built = build_set(settings)
    print(printable(_closing(built, time.monotonic() - begin)))
    return 0.0


def _closing(built: Built, seconds: float) -> str:
    """Return the closing lines: what there is, what there is not and why, and where."""
    methods = {row["enlargement"]["method"] for row in built.rows}
    lines = [
        f"{len(built.rows)} images of {built.references} references, {len(methods)} SR methods; "
        f"{built.made} made now in {seconds:.0f} s; pseudo-MOS by '{built.rows[0]['formula']}', "
        "not human"
    ]
    for what, reasons in (("not at hand", built.missing), ("left out", built.left_out)):
        if reasons:
            told = listed((f"{name} ({reason})" for name, reason in reasons.items()), 5)
            lines.append(f"{what}: {told}")
    lines += [
        f"digest: {built.digest}",
        f"to train on it: hmtnet train data=synthesized data.root={built.folder}",
        f"to look at it: {built.folder / CONTACT_SHEET}",
    ]
    return "\n".join(lines)
