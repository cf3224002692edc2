"""``hmtnet data verify``: tell whether a dataset's folder is whole and sound."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from hmtnet.cli.dataset import DatasetSettings
from hmtnet.data import readers
from hmtnet.data import verify as verifying
from hmtnet.data.contact_sheet import contact_sheet
from hmtnet.data.verify import Verification
from hmtnet.errors import DataError, SettingsError, printable
from hmtnet.report.render.formats import DASH
from hmtnet.report.render.terminal import text_table

FAULTY = 2


def verify(settings: DatasetSettings) -> int:
    """Look through the datasets' folders and tell what is found; return the exit code."""
    if settings.output is not None and settings.data.also:
        raise SettingsError("output=… draws the scenes of one dataset; leave out data.also.")
    told = [*settings.data.each, *([] if settings.other is None else settings.other.each)]
    others = [readers.read(part) for part in told[1:]]
    found = []
    for number, part in enumerate(settings.data.each):
        labels = readers.read_labels(part)
        # Each pair of datasets is searched once.
        found.append(verifying.verify(labels, others[number:]))
    if settings.output is not None:
        _draw_scenes(Path(settings.output).expanduser(), found[0])
    documents = [_as_document(each) for each in found]
    if settings.format == "json":
        print(json.dumps(documents if settings.data.also else documents[0], indent=2))
    else:
        print(printable("\n\n".join(map(_as_text, found))))
    return 0 if all(each.sound for each in found) else FAULTY


def _draw_scenes(path: Path, found: Verification) -> None:
    if not any(count > 1 for count in Counter(found.scenes).values()):
        raise DataError(
            f"Nothing to draw into '{path}': no scene of '{found.labels.name}' is repeated, or "
            "every image names its reference. Leave output out."
        )
    contact_sheet(found.scene_files, found.scenes, path)


def _as_document(found: Verification) -> dict[str, Any]:
    labels = found.labels
    return {
        "dataset": labels.name,
        "root": str(labels.root),
        "sound": found.sound,
        "label_kind": labels.label_kind,
        "range": list(labels.mos_range),
        "direction": "higher" if labels.higher_is_better else "lower",
        "licence": labels.licence,
        "citation": labels.citation,
        "counts": [{"what": c.what, "found": c.found, "known": c.known} for c in found.counts],
        "findings": [{"level": f.level, "text": f.text} for f in found.findings],
    }


def _as_text(found: Verification) -> str:
    labels = found.labels
    low, high = labels.mos_range
    kind = "pseudo-MOS, not human" if labels.label_kind == "pseudo" else "human scores"
    best = high if labels.higher_is_better else low
    rows = [
        [c.what, f"{c.found:.6g}", DASH if c.known is None else f"{c.known:g}", "✗" * c.differs]
        for c in found.counts
    ]
    lines = [
        f"{labels.name} in {labels.root}",
        f"labels: {kind}, {low:g} to {high:g}, {best:g} = best",
        f"licence: {labels.licence or 'not stated'}",
        f"to cite: {labels.citation or 'not stated'}",
        "",
        text_table(["", "found", "known", ""], rows),
        "",
    ]
    marks = {"fault": "✗ fault", "warning": "! warning", "note": "· note"}
    lines += [f"{marks[finding.level]}: {finding.text}" for finding in found.findings]
    lines.append("sound" if found.sound else "NOT SOUND: see the faults above")
    return "\n".join(lines)
