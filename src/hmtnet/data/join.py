"""Datasets as one: trained on the first and tested on the second, or trained on all together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from hmtnet.data.components import components
from hmtnet.data.duplicates import content_groups
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Official, Record
from hmtnet.data.settings import LabelKind
from hmtnet.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Joined(Manifest):
    """The images of several datasets, scored in [0, 1], 1 = best.

    Names, references and methods begin with their dataset's name: whether two datasets mean the
    same by one name is not known.

    Attributes:
        parts: The datasets, in the order of their records.
    """

    parts: tuple[Manifest, ...]

    def path(self, name: str) -> Path:
        """Return the file of an image or reference image that a record names."""
        part = next(part for part in self.parts if name.startswith(f"{part.name}/"))
        return part.path(name.removeprefix(f"{part.name}/"))

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """(N,) names of the datasets that the records come from."""
        return tuple(name for part in self.parts for name in part.origins)

    @cached_property
    def datasets(self) -> tuple[str | None, ...]:
        """(N,) names of the datasets that were joined to be trained on together; None of others."""
        return tuple(name for part in self.parts for name in part.datasets)

    @cached_property
    def content(self) -> tuple[str | None, ...]:
        """One key per record for the content it shows, the same for one content in all datasets.

        Contents also count as one where they have a file in common, and where the images that
        stand for them are near duplicates. A reference image stands for its content; where there
        is none, all images of the content do.
        """
        # None of a manifest's contents is unknown.
        keys = [(0, str(key)) for part in self.parts for key in part.content]
        files = zip(keys, self.digests, self.reference_digests, strict=True)
        links = [
            [key, *((1, digest) for digest in digests if digest is not None)]
            for key, *digests in files
        ]
        stands_for = {self.representative(row): key for row, key in enumerate(keys)}
        groups = content_groups(
            [path for path, _ in stands_for], [digest for _, digest in stands_for]
        )
        links += [[key, (2, group)] for key, group in zip(stands_for.values(), groups, strict=True)]
        smallest = components(links)
        return tuple(smallest[key][1] for key in keys)

    @cached_property
    def content_keys(self) -> tuple[frozenset[str], ...]:
        """(N,) all keys that a record's content goes by, here and in its own dataset."""
        own = [keys for part in self.parts for keys in part.content_keys]
        gathered: dict[str | None, frozenset[str]] = {}
        for key, keys in zip(self.content, own, strict=True):
            gathered[key] = gathered.get(key, frozenset()) | keys
        return tuple(gathered[key] for key in self.content)


class Crossed(Joined):
    """Two datasets: the records of the first are officially ``train``, of the second ``test``."""


class Together(Joined):
    """Datasets that are trained on together, and judged each by itself."""

    @cached_property
    def datasets(self) -> tuple[str | None, ...]:
        """(N,) names of the datasets that the records are of."""
        return self.origins


def label_kind_of(manifest: Manifest, dataset: str | None) -> LabelKind:
    """Return the label kind of one of several datasets; of the whole for None."""
    parts = manifest.parts if isinstance(manifest, Joined) else ()
    return next((part.label_kind for part in parts if part.name == dataset), manifest.label_kind)


J = TypeVar("J", bound=Joined)


def join(first: Manifest, second: Manifest) -> Crossed:
    """Join two datasets, to train on the first and test on the second.

    Returns:
        Both, under the name ``<first>-to-<second>``.

    Raises:
        SettingsError: Both have the same name, or one reads as a folder of the other.
    """
    return _joined(
        Crossed, f"{first.name}-to-{second.name}", (first, second), official=("train", "test")
    )


def together(parts: Sequence[Manifest]) -> Together:
    """Join datasets, to train on all of them; their official splits are kept.

    Returns:
        All, in the order of their names, under these names with ``+`` between them.

    Raises:
        SettingsError: Two have the same name, or one reads as a folder of another.
    """
    ordered = tuple(sorted(parts, key=lambda part: part.name))
    return _joined(Together, "+".join(part.name for part in ordered), ordered)


def _joined(
    kind: type[J],
    name: str,
    parts: tuple[Manifest, ...],
    official: tuple[Official, ...] | None = None,
) -> J:
    folders = sorted(f"{part.name}/" for part in parts)
    for one, other in pairwise(folders):
        if other.startswith(one):
            raise SettingsError(
                f"The datasets '{one[:-1]}' and '{other[:-1]}' cannot be joined: two datasets must "
                "have two names. Give one another name (data.name or other.name), or write another "
                "one behind data.also."
            )
    given = official or (None,) * len(parts)
    return kind(
        name=name,
        root=parts[0].root,
        records=tuple(
            record
            for part, subset in zip(parts, given, strict=True)
            for record in _renamed(part, subset)
        ),
        # The labels count as pseudo-MOS if those of one dataset do.
        label_kind="pseudo" if any(part.label_kind == "pseudo" for part in parts) else "human",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        licence=_listed(part.licence for part in parts),
        citation=_listed(part.citation for part in parts),
        left_out=tuple(f"{part.name}/{item}" for part in parts for item in part.left_out),
        digests=tuple(digest for part in parts for digest in part.digests),
        reference_digests=tuple(d for part in parts for d in part.reference_digests),
        parts=parts,
    )


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _renamed(part: Manifest, subset: Official | None) -> Iterator[Record]:
    low, high = part.mos_range
    for record, mos in zip(part.records, part.unit_mos.tolist(), strict=True):
        yield replace(
            record,
            image=f"{part.name}/{record.image}",
            mos=mos,
            reference=_prefixed(part, record.reference),
            method=_prefixed(part, record.method),
            reference_image=_prefixed(part, record.reference_image),
            mos_std=None if record.mos_std is None else record.mos_std / (high - low),
            official=subset or record.official,
        )


def _prefixed(part: Manifest, name: str | None) -> str | None:
    return None if name is None else f"{part.name}/{name}"
