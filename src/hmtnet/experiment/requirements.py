"""What networks need of a dataset beside images and scores, checked before anything is trained."""

import logging
from collections import Counter
from collections.abc import Sequence

from hmtnet.data.images import size_of
from hmtnet.data.manifest import Manifest
from hmtnet.data.pairs import ADVICE, ReferenceUse, mismatch
from hmtnet.data.split import Split
from hmtnet.data.threads import map_images
from hmtnet.errors import DataError, listed
from hmtnet.models.system import Stage, System, own_systems

_log = logging.getLogger(__name__)


def check_fields(manifest: Manifest, rows: Sequence[int], system: System, stage: Stage) -> None:
    """Check that training images have what a stage learns from.

    Args:
        manifest: The dataset.
        rows: The training images.
        system: Whose stage it is.
        stage: The stage that is to be trained on them.

    Raises:
        DataError: No image has any of the fields that it needs.
    """
    if not stage.needs or any(
        getattr(manifest.records[row], field) is not None for row in rows for field in stage.needs
    ):
        return
    others = [s.name for s in own_systems() if not any(stage.needs for stage in s.stages)]
    if any(stage.name in later.after for later in system.stages):
        instead = (
            "Train that stage on a dataset that has, and start from it here "
            f"(upstream.{stage.name}=<its run directory>)"
        )
    else:
        instead = "Take a dataset that has"
    raise DataError(
        f"Stage '{stage.name}' of system '{system.name}' learns from the {_or(stage.needs)} of its "
        f"training images, and no training image of dataset '{manifest.name}' has any. {instead}, "
        f"or a system that learns without: {_or(others)}."
    )


def check_datasets(manifest: Manifest, split: Split) -> None:
    """Check that each of several datasets has images to learn from; tell what it lacks otherwise.

    Raises:
        DataError: One has fewer than two training images, which cannot be compared.
    """
    names = dict.fromkeys(name for name in manifest.datasets if name is not None)
    found = {
        subset: Counter(manifest.datasets[row] for row in rows)
        for subset, rows in split.subsets.items()
    }
    few = [name for name in names if found["train"][name] < 2]
    if few:
        raise DataError(
            f"Split '{split.id}' of '{manifest.name}' has fewer than two training images of "
            f"{listed(few)}. Use another seed or protocol, or leave that dataset out (data.also)."
        )
    for subset, without in (("val", "chooses no epoch"), ("test", "is not tested")):
        absent = [name for name in names if split.subsets[subset] and not found[subset][name]]
        for name in absent:
            _log.warning(
                "Split '%s' has no %s image of '%s', which so %s.",
                *(split.id, subset, name, without),
            )


def check_references(
    manifest: Manifest, rows: Sequence[int], system: str, use: ReferenceUse
) -> None:
    """Check that images have reference images that can be laid on them.

    Of the files only the headers are read.

    Args:
        manifest: The dataset.
        rows: The images that are looked at beside their references.
        system: What needs them, by name.
        use: When it does.

    Raises:
        DataError: Images have no reference, or one of too different a size; some are named.
    """
    records = [manifest.records[row] for row in rows]
    without = [record.image for record in records if record.reference_image is None]
    if without:
        does = "compares images with their" if use == "always" else "is trained with"
        if len(without) == len(records):
            lack = f"no image of dataset '{manifest.name}' has one (reference_image)"
        else:
            lack = (
                f"{len(without)} of {len(records)} images of dataset '{manifest.name}' have none "
                f"(reference_image): {listed(without)}"
            )
        others = [s.name for s in own_systems() if s.reference == "none"]
        raise DataError(
            f"System '{system}' {does} references, and {lack}. Add them, take a dataset that has "
            f"them, or a system that needs none: {_or(others)}."
        )
    pairs = [(r, r.reference_image) for r in records if r.reference_image is not None]
    names = sorted({name for record, reference in pairs for name in (record.image, reference)})
    found = map_images(
        lambda name: size_of(manifest.path(name)), names, "image sizes", show_above=5000
    )
    sizes = dict(zip(names, found, strict=True))
    faults = [
        mismatch(record.image, sizes[record.image], sizes[reference], record.scale)
        for record, reference in pairs
    ]
    odd = [fault for fault in faults if fault is not None]
    if odd:
        raise DataError(
            f"Dataset '{manifest.name}': {'; '.join(odd[:3])}"
            f"{f'; and {len(odd) - 3} more' if len(odd) > 3 else ''}. {ADVICE}"
        )


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
