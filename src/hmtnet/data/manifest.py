"""A dataset with its images: labels, the images' digests, and what the images show."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from hmtnet.data.components import components
from hmtnet.data.digests import digest_images
from hmtnet.data.duplicates import content_groups
from hmtnet.data.labels import Labels
from hmtnet.errors import DataError

_BY_IMAGE = 2  # the trait of a content that has neither a reference image nor a reference's name


@dataclass(frozen=True, kw_only=True)
class Manifest(Labels):
    """Labels whose images are there. Make one with ``Manifest.of``.

    Attributes:
        digests: One digest per record, of the image file's bytes.
        reference_digests: Likewise of the reference image; None where there is none.

    Raises:
        DataError: As the labels do.
    """

    digests: tuple[str, ...]
    reference_digests: tuple[str | None, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for what in ("digests", "reference_digests"):
            found = len(getattr(self, what))
            if found != len(self.records):
                raise DataError(
                    f"Dataset '{self.name}': {len(self.records)} records but {found} {what}."
                )

    @classmethod
    def of(cls, labels: Labels) -> Self:
        """Digest every image that the labels name, and join both to a manifest.

        Raises:
            DataError: An image is missing, unreadable or outside the root.
        """
        records = labels.records
        references = {r.reference_image for r in records if r.reference_image is not None}
        names = [*(r.image for r in records), *references]
        digests = digest_images(labels.root, names, labels.links)
        return cls(
            **{field.name: getattr(labels, field.name) for field in dataclasses.fields(Labels)},
            digests=tuple(digests[r.image] for r in records),
            reference_digests=tuple(
                None if r.reference_image is None else digests[r.reference_image] for r in records
            ),
        )

    @classmethod
    def create(cls, name: str, root: Path, records: Any, **meaning: Any) -> Self:
        """Make labels of records and what their scores mean (see ``Labels``), then a manifest.

        Raises:
            DataError: As ``Labels`` and ``Manifest.of``.
        """
        # Labels first: they are checked at once, whereas digesting a large set takes minutes.
        return cls.of(Labels(name=name, root=root, records=tuple(records), **meaning))

    def path(self, name: str) -> Path:
        """Return the file of an image or reference image that a record names."""
        return self.root / name

    def representative(self, row: int) -> tuple[Path, str]:
        """Return file and digest of what stands for a content: its reference, else the image."""
        record, pristine = self.records[row], self.reference_digests[row]
        if record.reference_image is not None and pristine is not None:
            return self.path(record.reference_image), pristine
        return self.path(record.image), self.digests[row]

    @property
    def identities(self) -> tuple[str, ...]:
        """One key per record for the image itself: the digest of its bytes."""
        return self.digests

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the data, 16 hexadecimal digits.

        It covers image names, labels to the last bit, references, methods, scales, range,
        direction, label kind and image bytes; not the root, the dataset's name or the order.
        """
        files = zip(self.digests, self.reference_digests, strict=True)
        return self._digest(
            [*self._line(record), *pair] for record, pair in zip(self.records, files, strict=True)
        )

    @cached_property
    def content(self) -> tuple[str | None, ...]:
        """One key per record for the content it shows; equal keys must never be split.

        Where there is a reference image, the key is its digest, so that one reference is
        recognised under two names and in two datasets; else it is made of the dataset's and the
        reference's name. What shares a reference, a reference image or the image itself is one
        content. Images without a reference are searched for near duplicates, once; the images of
        one scene share a key. Every record has a key.
        """
        named = [
            None if r.reference is None else f"{self.name}/{r.reference}" for r in self.records
        ]
        # The smallest trait stands for a content: a reference image before a name before an image.
        traits = [
            [(kind, text) for kind, text in enumerate(own) if text is not None]
            for own in zip(self.reference_digests, named, self.digests, strict=True)
        ]
        smallest = components(traits)
        keys = [smallest[own[0]] for own in traits]
        content = [text for _, text in keys]
        unnamed = [row for row, (kind, _) in enumerate(keys) if kind == _BY_IMAGE]
        if unnamed:
            paths = [self.path(self.records[row].image) for row in unnamed]
            groups = content_groups(paths, [self.digests[row] for row in unnamed])
            for row, group in zip(unnamed, groups, strict=True):
                content[row] = group
        return tuple(content)

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """(N,) names of the datasets that the records come from."""
        return (self.name,) * len(self)

    @cached_property
    def content_keys(self) -> tuple[frozenset[str], ...]:
        """(N,) all keys that a record's content goes by; one, unless datasets are joined."""
        return tuple(frozenset([str(key)]) for key in self.content)
