"""Check a dataset: counts, labels, every image, repeats, and what it shares with another one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from hmtnet.data.duplicates import content_groups
from hmtnet.data.facts import Facts
from hmtnet.data.images import decode
from hmtnet.data.join import join
from hmtnet.data.labels import Labels
from hmtnet.data.manifest import Manifest
from hmtnet.data.pairs import mismatch
from hmtnet.data.threads import map_images
from hmtnet.errors import DataError, listed

Level = Literal["fault", "warning", "note"]
# A label statistic may differ from the known one by its last printed digit.
TOLERANCE = 6e-4


@dataclass(frozen=True)
class Finding:
    """Something that was found.

    Attributes:
        level: ``fault``: the folder is not the dataset, or not whole. ``warning``: results may
            mislead. ``note``: good to know.
        text: What.
    """

    level: Level
    text: str


@dataclass(frozen=True)
class Count:
    """A number beside the known one.

    Attributes:
        what: Of what.
        found: In the folder.
        known: In the official dataset; None where that is not known, or not this dataset.
    """

    what: str
    found: float
    known: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the found number is not the known one."""
        slack = 0.0 if isinstance(self.known, int) else TOLERANCE * max(1.0, abs(self.known or 0))
        return self.known is not None and abs(self.found - self.known) > slack


@dataclass(frozen=True)
class Verification:
    """What was found in a dataset's folder.

    Attributes:
        labels: The dataset.
        counts: Numbers found, each with the known one.
        findings: Everything worth saying, the worst first.
        scenes: One key per image without a reference, equal for images of one scene.
        scene_files: Those images.
    """

    labels: Labels
    counts: tuple[Count, ...]
    findings: tuple[Finding, ...]
    scenes: tuple[str, ...] = ()
    scene_files: tuple[Path, ...] = field(default=(), repr=False)

    @property
    def sound(self) -> bool:
        """Whether there is no fault."""
        return all(finding.level != "fault" for finding in self.findings)


def verify(labels: Labels, others: Sequence[Manifest] = ()) -> Verification:
    """Look through a dataset: decode every image, and search for repeats.

    Args:
        labels: As its reader has read it.
        others: Other datasets, to be searched for the same content.

    Returns:
        What was found. Images that cannot be used are findings, not errors.
    """
    counts = tuple(_counts(labels, labels.facts))
    findings = [
        Finding("fault", f"{count.what}: found {count.found:g}, the dataset has {count.known:g}")
        for count in counts
        if count.differs
    ]
    findings += [Finding("warning", f"left out: {item}") for item in labels.left_out]
    findings += [Finding("note", text) for text in (labels.facts.notes if labels.facts else ())]
    broken, sizes = _decode_all(labels)
    findings += [Finding("fault", text) for text in broken.values()]
    scenes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    if not broken:
        manifest = labels if isinstance(labels, Manifest) else Manifest.of(labels)
        findings += _odd_sizes(labels, sizes)
        findings += _copies(manifest)
        findings += _like_references(manifest)
        rows = [row for row, record in enumerate(labels.records) if record.reference is None]
        scenes = tuple(str(manifest.content[row]) for row in rows)
        files = tuple(manifest.path(labels.records[row].image) for row in rows)
        findings += _repeated_scenes(manifest, scenes)
        for other in others:
            findings += _shared(manifest, other)
    worst_first = sorted(findings, key=lambda f: ("fault", "warning", "note").index(f.level))
    return Verification(labels, counts, tuple(worst_first), scenes, files)


def _counts(labels: Labels, facts: Facts | None) -> Iterable[Count]:
    records = labels.records
    known = facts.images - len(labels.left_out) if facts else None
    yield Count("images", len(records), known)
    references = {record.reference for record in records} - {None}
    if references:
        yield Count("references", len(references), facts.references if facts else None)
    pristine = {record.reference_image for record in records} - {None}
    if references:
        yield Count("reference images", len(pristine))
    methods = {record.method for record in records} - {None}
    if methods:
        yield Count("methods", len(methods), facts.methods if facts else None)
    scales = Counter(record.scale for record in records if record.scale is not None)
    for scale, found in sorted(scales.items()):
        expected = facts.scales.get(scale) if facts and not labels.left_out else None
        yield Count(f"images at ×{scale}", found, expected)
    subsets = Counter(record.official for record in records if record.official is not None)
    for subset in ("train", "val", "test"):
        if subset in subsets:
            expected = facts.subsets.get(subset) if facts else None
            yield Count(f"official {subset}", subsets[subset], expected)
    lowest, mean, highest = facts.mos if facts and facts.mos else (None, None, None)
    yield Count("lowest MOS", float(labels.mos.min()), lowest)
    yield Count("mean MOS", float(labels.mos.mean()), mean)
    yield Count("highest MOS", float(labels.mos.max()), highest)
    yield Count("standard deviation of MOS", float(labels.mos.std()))


def _decode_all(labels: Labels) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    """Decode every image; return what is wrong with those that fail, and the others' sizes."""
    names = [record.image for record in labels.records]
    names += [r.reference_image for r in labels.records if r.reference_image is not None]
    names = sorted(set(names))
    inside = labels.root.resolve()

    def attempt(name: str) -> tuple[int, int] | str:
        path = labels.root / name
        if not labels.links and not path.resolve().is_relative_to(inside):
            return f"Image '{path}' leaves the dataset's folder. Copy it into the folder."
        try:
            height, width, _ = decode(path).shape
        except DataError as error:
            return str(error)
        return width, height

    results = dict(zip(names, map_images(attempt, names, f"decoding {labels.name}"), strict=True))
    broken = {name: result for name, result in results.items() if isinstance(result, str)}
    sizes = {name: result for name, result in results.items() if not isinstance(result, str)}
    return broken, sizes


def _odd_sizes(labels: Labels, sizes: dict[str, tuple[int, int]]) -> Iterable[Finding]:
    """Tell the images' sizes, and which cannot be laid on their reference."""
    common = Counter(sizes[record.image] for record in labels.records).most_common()
    told = listed([f"{w}×{h} ({n})" for (w, h), n in common], 4)
    yield Finding("note", f"image sizes: {told}")
    other = [
        record.image
        for record in labels.records
        if record.reference_image is not None
        and mismatch(record.image, sizes[record.image], sizes[record.reference_image], record.scale)
    ]
    if other:
        yield Finding(
            "warning",
            f"{len(other)} images differ in size from their reference image by more than their "
            f"scale factor, so full-reference methods cannot compare them: {listed(other)}",
        )


def _copies(manifest: Manifest) -> Iterable[Finding]:
    """Find identical files under several names."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(manifest.digests):
        rows_of[digest].append(row)
    groups = [rows for rows in rows_of.values() if len(rows) > 1]
    across = [g for g in groups if len({manifest.records[row].reference for row in g}) > 1]
    within = [g for g in groups if g not in across]
    if across:
        yield Finding(
            "fault",
            f"{len(across)} groups of identical files belong to different references: "
            f"{_told(manifest, across)}. A split by reference would leak them",
        )
    if within:
        apart = max(float(np.ptp(manifest.mos[rows])) for rows in within)
        yield Finding(
            "warning",
            f"{len(within)} groups of identical files under several names, whose MOS differ by up "
            f"to {apart:.3g}: {_told(manifest, within)}",
        )


def _told(manifest: Manifest, groups: Sequence[Sequence[int]]) -> str:
    return listed([" = ".join(manifest.records[row].image for row in rows) for rows in groups], 3)


def _like_references(manifest: Manifest) -> Iterable[Finding]:
    """Find reference images that show the same under different names."""
    names: dict[str, str] = {}
    digests: dict[str, str] = {}
    for record, digest in zip(manifest.records, manifest.reference_digests, strict=True):
        if record.reference_image is not None and digest is not None:
            names[record.reference_image] = str(record.reference)
            digests[record.reference_image] = digest
    images = sorted(names)
    groups = content_groups([manifest.path(n) for n in images], [digests[n] for n in images])
    alike: dict[str, set[str]] = defaultdict(set)
    for image, group in zip(images, groups, strict=True):
        alike[group].add(names[image])
    repeated = [sorted(group) for group in alike.values() if len(group) > 1]
    if repeated:
        yield Finding(
            "warning",
            f"{len(repeated)} groups of references show nearly the same: "
            f"{listed([' ≈ '.join(group) for group in repeated], 4)}. A split by reference may "
            "part them",
        )


def _repeated_scenes(manifest: Manifest, scenes: Sequence[str]) -> Iterable[Finding]:
    sizes = [size for size in Counter(scenes).values() if size > 1]
    if sizes:
        yield Finding(
            "warning",
            f"{sum(sizes)} of {len(scenes)} images without a reference show one of {len(sizes)} "
            f"scenes again (up to {max(sizes)} images of one); split=content keeps each scene on "
            "one side, split=image does not",
        )
    elif scenes:
        yield Finding("note", f"no scene is repeated among {len(scenes)} images")


def _shared(manifest: Manifest, other: Manifest) -> Iterable[Finding]:
    """Find content that another dataset shows too."""
    joined = join(manifest, other)
    own, others = joined.content[: len(manifest)], set(joined.content[len(manifest) :])
    shared = sorted(
        {
            record.reference or record.image
            for record, key in zip(manifest.records, own, strict=True)
            if key in others
        }
    )
    if shared:
        yield Finding(
            "warning",
            f"{len(shared)} contents are in '{other.name}' too: {listed(shared, 8)}. "
            "split=cross leaves them out of training; trained on together, each stays on one side",
        )
    else:
        yield Finding("note", f"no content is shared with '{other.name}'")
