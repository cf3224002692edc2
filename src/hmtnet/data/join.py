"""Two datasets as one: trained on the first, tested on the second."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from hmtnet.data.components import components
from hmtnet.data.duplicates import content_groups
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Joined(Manifest):
    """The images of two datasets, scored in [0, 1], 1 = best. Make one with ``join``.

    Names, references and methods begin with their dataset's name: whether two datasets mean the
    same by one name is not known. The records of the first are officially ``train``, those of the
    second ``test``.

    Attributes:
        parts: The two datasets.
    """

    parts: tuple[Manifest, Manifest]

    def path(self, name: str) -> Path:
        """Return the file of an image or reference image that a record names."""
        first, second = self.parts
        part = first if name.startswith(f"{first.name}/") else second
        return part.path(name.removeprefix(f"{part.name}/"))

    @cached_property
    def content(self) -> tuple[str | None, ...]:
        """One key per record for the content it shows, the same for one content in both datasets.

        Two contents also count as one where they have an image in common, and where the images that
        stand for them are near duplicates. A reference image stands for its content; where there
        is none, all images of the content do.
        """
        # None of a manifest's contents is unknown.
        keys = [(0, str(key)) for part in self.parts for key in part.content]
        links = [[key, (1, digest)] for key, digest in zip(keys, self.digests, strict=True)]
        stands_for = {self.representative(row): key for row, key in enumerate(keys)}
        groups = content_groups(
            [path for path, _ in stands_for], [digest for _, digest in stands_for]
        )
        links += [[key, (2, group)] for key, group in zip(stands_for.values(), groups, strict=True)]
        smallest = components(links)
        return tuple(smallest[key][1] for key in keys)


def join(first: Manifest, second: Manifest) -> Joined:
    """Join two datasets.

    Args:
        first: Trained on.
        second: Tested on.

    Returns:
        Both, under the name ``<first>-to-<second>``. The labels count as pseudo-MOS if those of
        either do.

    Raises:
        SettingsError: Both have the same name, or one reads as a folder of the other.
    """
    one, other = sorted([f"{first.name}/", f"{second.name}/"])
    if other.startswith(one):
        raise SettingsError(
            f"Cannot train on '{first.name}' and test on '{second.name}': two datasets must have "
            "two names. Give one another name (data.name or other.name)."
        )
    records = [*_renamed(first, "train"), *_renamed(second, "test")]
    kinds = {first.label_kind, second.label_kind}
    return Joined(
        name=f"{first.name}-to-{second.name}",
        root=first.root,
        records=tuple(records),
        label_kind="pseudo" if "pseudo" in kinds else "human",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        licence="; ".join(part.licence for part in (first, second) if part.licence),
        citation="; ".join(part.citation for part in (first, second) if part.citation),
        left_out=tuple(f"{part.name}/{item}" for part in (first, second) for item in part.left_out),
        digests=first.digests + second.digests,
        reference_digests=first.reference_digests + second.reference_digests,
        parts=(first, second),
    )


def _renamed(part: Manifest, subset: Literal["train", "test"]) -> Iterator[Record]:
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
            official=subset,
        )


def _prefixed(part: Manifest, name: str | None) -> str | None:
    return None if name is None else f"{part.name}/{name}"
