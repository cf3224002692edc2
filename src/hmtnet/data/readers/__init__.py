"""Readers: one file per dataset layout, looked up by name.

A reader follows the official layout of a dataset and either returns the labels of every image of
the folder or raises one ``DataError``. Other packages add theirs by an entry point in the group
``hmtnet.datasets``: ``name = "package.module:READER"``, where ``READER`` is a ``Reader``.
"""

import logging
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, overload

from hmtnet.data.join import together
from hmtnet.data.labels import Labels
from hmtnet.data.manifest import Manifest
from hmtnet.data.readers.reader import Reader
from hmtnet.data.settings import DataSettings
from hmtnet.errors import SettingsError, listed, nearest
from hmtnet.settings import build

GROUP = "hmtnet.datasets"

_NAMES = (
    *("ai_upscaling", "bid", "biq2021", "csiq", "demo", "isrgen_qa", "kadid10k", "koniq10k"),
    *("live", "livec", "ma", "pipal", "pipal_sr", "qads", "realsrq", "sisar", "spaq"),
    *("sriqa_bench", "synthesized", "table", "tid2013", "waterloo"),
)
_OWN = {name: EntryPoint(name, f"{__name__}.{name}:READER", GROUP) for name in _NAMES}


def readers() -> dict[str, EntryPoint]:
    """Return all readers by name, not yet imported; a package cannot replace one of ours."""
    return {point.name: point for point in entry_points(group=GROUP)} | _OWN


def find(name: str) -> Reader:
    """Return a reader by name.

    Raises:
        SettingsError: There is no such reader, or another package's entry point is no reader.
    """
    known = _OWN if name in _OWN else readers()  # asking all packages takes longer than a table
    if name not in known:
        raise SettingsError(f"Unknown reader 'data.reader={name}'.{nearest(name, known)}")
    try:
        reader = known[name].load()
    except (Exception, SystemExit) as error:  # whatever another package does when imported
        raise SettingsError(
            f"The entry point '{name}' ({known[name].value}) in the group {GROUP} cannot be "
            f"loaded ({type(error).__name__}: {error}). Repair or uninstall the package "
            "that adds it."
        ) from error
    if not isinstance(reader, Reader):
        raise SettingsError(
            f"The entry point '{name}' ({known[name].value}) in the group {GROUP} is a "
            f"{type(reader).__name__}; expected a hmtnet.data.readers.reader.Reader."
        )
    return reader


def read_labels(settings: DataSettings) -> Labels:
    """Read a dataset's labels with the reader that ``settings.reader`` names.

    Raises:
        SettingsError: No such reader, a setting contradicts what the reader fixes, or several
            datasets are meant, which are joined by their images.
        DataError: The folder, an image or a label is missing or wrong.
    """
    if settings.also:
        raise SettingsError(
            f"This reads one dataset at a time; leave out data.also ({listed(settings.also)})."
        )
    labels = find(settings.reader).read(settings)
    log = logging.getLogger(__name__)
    if labels.left_out:
        log.warning(
            "Dataset '%s': left out for want of a usable label: %s.",
            *(labels.name, listed(labels.left_out)),
        )
    facts = labels.facts
    if facts is not None and len(labels) + len(labels.left_out) != facts.images:
        log.warning(
            "The official %s has %d scored images; this folder has %d.",
            *(facts.title, facts.images, len(labels) + len(labels.left_out)),
        )
    return labels


def list_datasets() -> list[str]:
    """Return the names of all datasets that can be read, those that other packages add included."""
    return sorted(readers())


@overload
def read_dataset(name: str, /, *, labels_only: Literal[True], **settings: Any) -> Labels: ...


@overload
def read_dataset(
    name: str, /, *, labels_only: Literal[False] = False, **settings: Any
) -> Manifest: ...


def read_dataset(name: str, /, *, labels_only: bool = False, **settings: Any) -> Labels:
    """Read a dataset: its records, and the digests of its images.

    Args:
        name: As ``data=<name>`` on the command line; ``list_datasets`` lists them.
        labels_only: Read the labels alone; the images need not be there.
        settings: Of `hmtnet.data.settings.DataSettings`, such as ``root="/data/QADS"``.

    Raises:
        SettingsError: There is no dataset or no setting of that name.
        DataError: The folder, an image or a label is missing or wrong.

    >>> read_dataset("qds")
    Traceback (most recent call last):
    ...
    hmtnet.errors.SettingsError: Unknown reader 'data.reader=qds'. Did you mean 'qads'?
    """
    find(name)
    told = {"reader": name, "labels_only": labels_only, **settings}
    found = build(DataSettings, told, "data")
    return read_labels(found) if labels_only else read(found)


def read(settings: DataSettings) -> Manifest:
    """Read a dataset's labels and digest its images; join it with those of ``also``, if any.

    Raises:
        SettingsError: As ``read_labels``, only labels were asked for, or two datasets have one
            name.
        DataError: As ``read_labels``, or an image cannot be read.
    """
    if settings.labels_only:
        raise SettingsError(
            "data.labels_only=true reads no images, which this command needs. Leave it out."
        )
    parts = [Manifest.of(read_labels(part)) for part in settings.each]
    return together(parts) if settings.also else parts[0]
