"""What training must not see: a split's own subsets, and what earlier stages have seen."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hmtnet.artifact.digests import SCENES_FILE
from hmtnet.artifact.scenes import read_scenes
from hmtnet.data.duplicates import alike
from hmtnet.data.manifest import Manifest
from hmtnet.data.split import Split
from hmtnet.data.thumbnails import local_contrast, thumbnails
from hmtnet.errors import ArtifactError, LeakError, SettingsError, listed
from hmtnet.settings import build, plain

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Content:
    """What a subset shows.

    Attributes:
        images: Digests of its image files, sorted.
        groups: Keys of its content (``Manifest.content``), sorted; ``<name>/`` is all content of
            the dataset of that name, where others have trained and its images are not at hand.
    """

    images: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What a trained stage has seen.

    Attributes:
        fingerprint: The dataset's fingerprint.
        split: The split's id.
        train: What it was trained on.
        val: What its epoch was chosen on.
        upstream: What the stages before it have seen, where that is something else.
    """

    fingerprint: str
    split: str
    train: Content
    val: Content
    upstream: "tuple[Seen, ...]" = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain mappings, lists and strings."""
        result: dict[str, Any] = plain(self)
        return result

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Seen":
        """Read what ``to_json`` wrote.

        Raises:
            ArtifactError: Something is missing, unknown or of another type.
        """
        try:
            return build(cls, values, "seen")
        except SettingsError as error:
            raise ArtifactError(
                f"The record of what a stage has seen is damaged: {error} Train that stage anew."
            ) from error


def seen(
    manifest: Manifest,
    split: Split,
    upstream: Iterable[Seen] = (),
    chosen_on_test: bool = False,
) -> Seen:
    """Record what a stage trained on this split sees, itself and through upstream stages.

    Args:
        manifest: The dataset.
        split: The split.
        upstream: What the upstream stages have seen.
        chosen_on_test: Whether the epoch is chosen on test images instead of validation images.
    """
    own = Seen(
        fingerprint=manifest.fingerprint,
        split=split.id,
        train=_content(manifest, split.train),
        val=_content(manifest, split.test if chosen_on_test else split.val),
    )
    # Flat and without repeats: a chain on one split records it once.
    before = [part for stage in upstream for part in (replace(stage, upstream=()), *stage.upstream)]
    return replace(own, upstream=tuple(dict.fromkeys(part for part in before if part != own)))


def check_split(manifest: Manifest, split: Split) -> None:
    """Check that a split's subsets share nothing.

    Rows and image files never; content only where the protocol is known, and named, to be leaky.

    Raises:
        LeakError: Two subsets share something; counts and examples are named.
    """
    names = list(split.subsets)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    for one, other in pairs:
        rows, others = split.subsets[one], split.subsets[other]
        shared = [manifest.records[row].image for row in sorted(set(rows) & set(others))]
        if shared:
            raise LeakError(_shares(split, one, other, f"images: {_counted(shared)}"))
        found = _overlap(_content(manifest, rows), manifest, others, split.leaky)
        if found:
            raise LeakError(_shares(split, one, other, found))


def check_upstream(what: str, upstream: Seen, manifest: Manifest, split: Split) -> None:
    """Check that an earlier stage, and the ones before it, saw nothing that judges this run.

    A stage that has seen an image's score can pass it on. So upstream training content must meet
    neither validation nor test; what chose the upstream epoch must not meet the test, nor the
    validation, unless both runs validate on the same split of the same data.

    Args:
        what: The earlier stage, for the message: ``"Upstream stage 'grading'"``.
        upstream: What it has seen.
        manifest: This run's dataset.
        split: This run's split. Where it is leaky, images are compared and content is not.

    Raises:
        LeakError: It has; subset, counts and examples are named.
    """
    for before in upstream.upstream:
        check_upstream(what, before, manifest, split)
    same_split = (upstream.fingerprint, upstream.split) == (manifest.fingerprint, split.id)
    forbidden = [
        ("trained", upstream.train, "test", split.test),
        ("trained", upstream.train, "validation", split.val),
        ("chose its epoch", upstream.val, "test", split.test),
    ]
    if not same_split:
        forbidden.append(("chose its epoch", upstream.val, "validation", split.val))
    for did, content, subset, rows in forbidden:
        found = _overlap(content, manifest, rows, split.leaky)
        if found:
            raise LeakError(
                f"{what} {did} on what this run uses as {subset}: {found}. "
                f"It would pass their scores on. Train that stage on this split ({split.id}) of "
                f"'{manifest.name}', or on data that shares nothing with its {subset} subset."
            )


def look_alikes(
    folder: Path, upstream: Seen, manifest: Manifest, rows: Iterable[int], leaky: bool = False
) -> list[int]:
    """Return the rows that show a scene which a finished stage has seen in another dataset.

    Content keys tell where reference images or names are equal; this compares what can be seen, so
    that a photograph is recognised that was saved anew, or scaled. Within one dataset the keys
    know it already.

    Args:
        folder: Of the finished stage.
        upstream: What it has seen.
        manifest: The dataset the rows are of.
        rows: Rows to be judged.
        leaky: Compare images only, not what they show.
    """
    rows = list(rows)
    datasets = {part.fingerprint for part in (upstream, *upstream.upstream)}
    if leaky or not rows or datasets == {manifest.fingerprint}:
        return []
    scenes = read_scenes(folder)
    if not scenes:
        _log.warning(
            "%s has no %s, so near duplicates of what it has seen in another dataset are not "
            "searched for here.",
            *(folder, SCENES_FILE),
        )
        return []
    elsewhere = [greys for name, greys in scenes.items() if name != manifest.fingerprint]
    if not elsewhere:
        return []
    paths = {row: manifest.representative(row)[0] for row in rows}
    distinct = list(dict.fromkeys(paths.values()))
    known = alike(
        thumbnails(distinct)[0], local_contrast(np.concatenate(elsewhere).astype(np.float32))
    )
    found = {distinct[i] for i in known}
    return [row for row, path in paths.items() if path in found]


def check_look_alikes(
    what: str, folder: Path, upstream: Seen, manifest: Manifest, split: Split
) -> None:
    """Check that an earlier stage has seen no near duplicate of what judges this run.

    Args:
        what: The earlier stage, for the message.
        folder: Where it lies.
        upstream: What it has seen.
        manifest: This run's dataset.
        split: This run's split.

    Raises:
        LeakError: It has; counts and examples are named.
    """
    rows = look_alikes(folder, upstream, manifest, (*split.val, *split.test), split.leaky)
    if rows:
        names = [manifest.records[row].image for row in rows]
        raise LeakError(
            f"{what} has seen near duplicates of what this run uses as validation or test: "
            f"{_counted(names)}. It would pass their scores on. Leave these images out, or take a "
            "stage that was trained without their scenes."
        )


def seen_rows(
    upstream: Seen, manifest: Manifest, rows: Iterable[int], leaky: bool = False
) -> list[int]:
    """Return the rows that a stage, or one before it, has trained or chosen its epoch on.

    Args:
        upstream: What the stage has seen.
        manifest: The dataset the rows are of.
        rows: Rows to be judged.
        leaky: Compare images only, not what they show.
    """
    parts = [part for stage in (upstream, *upstream.upstream) for part in (stage.train, stage.val)]
    images = {digest for part in parts for digest in part.images}
    groups = {key for part in parts for key in part.groups}
    return [
        row
        for row in rows
        if manifest.digests[row] in images
        or f"{manifest.origins[row]}/" in groups
        or (not leaky and manifest.content_keys[row] & groups)
    ]


def check_held_out(
    what: str, folder: Path, upstream: Seen, manifest: Manifest, split: Split
) -> None:
    """Check that an earlier stage has seen no training image that some fold holds out.

    Each training image is judged out of fold by a network that has not seen it; one that starts
    from a stage that has would tell its score.

    Args:
        what: The earlier stage, for the message.
        folder: Where it lies.
        upstream: What it has seen.
        manifest: This run's dataset.
        split: This run's split, whose training images are dealt into folds.

    Raises:
        LeakError: It has; counts and examples are named.
    """
    found = seen_rows(upstream, manifest, split.train, split.leaky)
    near = look_alikes(folder, upstream, manifest, split.train, split.leaky)
    names = [manifest.records[row].image for row in sorted({*found, *near})]
    if names:
        raise LeakError(
            f"{what} has seen training images of this run, or what they show: {_counted(names)}. "
            "Each is held out of a fold, to be judged by a network that has not seen it. Start "
            "from a stage that was trained on other images, or set prior_source=frozen."
        )


def _content(manifest: Manifest, rows: Iterable[int]) -> Content:
    rows = list(rows)
    groups = {key for row in rows for key in manifest.content_keys[row]}
    return Content(
        images=tuple(sorted({manifest.digests[row] for row in rows})), groups=tuple(sorted(groups))
    )


def _overlap(content: Content, manifest: Manifest, rows: Iterable[int], leaky: bool) -> str:
    """Say which of the rows' images and content are known; empty where none is."""
    rows = list(rows)
    digests, groups = frozenset(content.images), frozenset(content.groups)
    images = [manifest.records[row].image for row in rows if manifest.digests[row] in digests]
    found = [f"identical images: {_counted(images)}"] if images else []
    whole = [name for name in {manifest.origins[row] for row in rows} if f"{name}/" in groups]
    if whole:
        found.append(f"the dataset {listed(sorted(whole))}, of which it may have seen any image")
    if not leaky:
        # Named by the reference where it has a name; a digest tells a person nothing.
        shared = {
            manifest.content[row]: manifest.records[row].reference or manifest.records[row].image
            for row in rows
            if manifest.content_keys[row] & groups
        }
        if shared:
            found.append(f"content (references): {_counted(sorted(shared.values()))}")
    return "; ".join(found)


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)} ({listed(names)})"


def _shares(split: Split, one: str, other: str, what: str) -> str:
    return (
        f"Split '{split.id}': {one} and {other} share {what}. Make the split anew with hmtnet, or "
        "correct the labels that name the references."
    )
