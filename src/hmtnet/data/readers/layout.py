"""Datasets that are label files and one folder of images: declared here, not programmed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.csv_rows import read_csv, text_of
from hmtnet.data.readers.folder import child, contents, find_root
from hmtnet.data.readers.lines import Label, number_in, once_each, read_label_lines
from hmtnet.data.readers.references import References
from hmtnet.data.readers.sheets import Row, read_sheet
from hmtnet.data.record import Official, Record, scale_factor
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError


class LabelFile(Protocol):
    """A file of labels, or a folder of such files, in the dataset's folder."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names that it may have, in any letter case, the official one first."""

    def read(self, path: Path, faults: Faults) -> list[Label]:
        """Read it; labels that cannot be used are noted as faults.

        Raises:
            DataError: It cannot be read at all.
        """


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A text file without a header that has one line per image.

    Attributes:
        files: See ``LabelFile``.
        columns: What stands in a line, in order; ``name`` and ``mos`` are among them.
        separator: Between two columns; None for blanks.
    """

    files: tuple[str, ...]
    columns: tuple[str, ...]
    separator: str | None = None

    def read(self, path: Path, faults: Faults) -> list[Label]:
        """See ``LabelFile``."""
        return read_label_lines(path, self.columns, faults, self.separator)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a header (``.csv``, ``.xlsx`` or ``.xls``) that has one row per image.

    Attributes:
        files: See ``LabelFile``. One of them may be a folder that holds another one.
        sheet: Title of the only sheet that counts, where several sheets have such a header.
        image: The column with the image's name.
        others: Further columns, which ``name`` or ``Layout.accept`` need.
        name: Makes the image's name from a row, where no column has it; empty if it cannot.
        mos: The column with the score.
        std: The column with the standard deviation of the opinions; every row must have one.
        subset: The column with the subset of the official split.
        subsets: Our name of each subset by the table's own, in lower case.
        official: The subset that all images of this table belong to.
    """

    files: tuple[str, ...]
    sheet: str | None = None
    image: str
    others: tuple[str, ...] = ()
    name: Callable[[Row], str] | None = None
    mos: str
    std: str | None = None
    subset: str | None = None
    subsets: Mapping[str, Official] = field(default_factory=dict)
    official: Official | None = None

    def read(self, path: Path, faults: Faults) -> list[Label]:
        """See ``LabelFile``."""
        found = child(path, self.files) if path.is_dir() else path
        if found is None:
            raise DataError(
                f"'{path}' has no '{self.files[-1]}'; {contents(path)}. Copy it anew. "
                f"{faults.facts.obtained}"
            )
        optional = (self.std, self.subset)
        columns = (self.image, *self.others, self.mos, *filter(None, optional))
        if found.suffix.lower() == ".csv":
            rows = read_csv(found, columns, faults)
        else:
            rows = read_sheet(found, columns, self.sheet)
        labels = (self.label_of(where, row, faults) for where, row in rows)
        return [label for label in labels if label is not None]

    def label_of(self, where: str, row: Row, faults: Faults) -> Label | None:
        """Make the label of a row; None, and a fault, if it lacks a name or a finite score."""
        cells = {column: text_of(cell) for column, cell in row.items()}
        name = (self.name(row) if self.name else cells[self.image]).replace("\\", "/")
        mos = number_in(cells[self.mos])
        if mos is None or not name:
            faults.add("malformed label lines", f"{where}: {', '.join(cells.values())!r}")
            return None
        std = None
        if self.std is not None:
            std = number_in(cells[self.std])
            if std is None:
                faults.add(f"labels without a number in {self.std}", f"{where}: {name}")
        official = self.official
        if self.subset is not None:
            official = self.subsets.get(cells[self.subset].lower())
            if official is None:
                faults.add(
                    f"labels of an unknown {self.subset}", f"{where}: {cells[self.subset]!r}"
                )
        return Label(name, mos, where, cells, std, official)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the labels and images of a dataset are, and what the images' names say.

    Attributes:
        facts: What is known of the dataset.
        labels: Its label files; all of them are read.
        hint: How names and label lines look, for error messages.
        images: Names that the folder of images may have, in any letter case, the official one
            first; empty where the images lie in the dataset's folder itself.
        lossy: Whether the dataset's own images are JPEG files.
        name: What an image's name must look like. Its groups ``reference``, ``method`` and
            ``scale`` are what the name says of the image.
        methods: The name of each method by what images' names call it; empty where they are equal.
        spell_reference: How a reference is spelled, whatever its letter case in the image's name.
        reference_image: The name of a reference's image, such as ``"{reference}.png"``; None where
            the dataset has no reference images.
        references: Names that the folder of reference images may have; it may be missing. Empty
            where reference images lie among the others, which then must be there.
        accept: Looks at a label once more; may note faults, and returns whether the image is one of
            the scored images.
    """

    facts: Facts
    labels: tuple[LabelFile, ...]
    hint: str
    images: tuple[str, ...] = ()
    lossy: bool = False
    name: re.Pattern[str] | None = None
    methods: Mapping[str, str] = field(default_factory=dict)
    spell_reference: Callable[[str], str] = str
    reference_image: str | None = None
    references: tuple[str, ...] = ()
    accept: Callable[[Label, Images, Faults], bool] | None = None

    def read(self, settings: DataSettings) -> Labels:
        """Read a folder in this layout.

        Raises:
            DataError: Anything missing, left over, repeated or malformed; everything is listed at
                once.
            SettingsError: A setting contradicts the layout.
        """
        settings.refuse_other_than(fixed(self.facts, table=None))
        root = find_root(settings, self.facts.obtained)
        wanted = {file.files[0]: file.files for file in self.labels}
        if self.images and not settings.labels_only:
            wanted = {"images": self.images} | wanted
        parts = require(root, self.facts, wanted)

        faults = Faults(root, self.facts, self.hint)
        folder = None if settings.labels_only else parts.get("images", root)
        images = Images(root, folder, faults, lossy=self.lossy)
        find_reference = self._reference_finder(root, settings, images, faults)
        labels = [
            label for file in self.labels for label in file.read(parts[file.files[0]], faults)
        ]
        records = []
        for label in once_each(labels, faults):
            said = self._said_by(label.name)
            if said is None:
                faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
            elif self.accept is None or self.accept(label, images, faults):
                records.append(
                    Record(
                        image=images.find(label.name),
                        mos=label.mos,
                        reference_image=find_reference(said.get("reference")),
                        mos_std=label.std,
                        official=label.official,
                        **said,
                    )
                )
        images.check_labelled()
        faults.check()
        return labels_of(settings, self.facts, root, records)

    def _reference_finder(
        self, root: Path, settings: DataSettings, images: Images, faults: Faults
    ) -> Callable[[str | None], str | None]:
        """Return what finds the image of a reference; it returns None where there is none."""
        folder = References(root, self.references, settings, faults) if self.references else None

        def find(reference: str | None) -> str | None:
            if reference is None or self.reference_image is None or settings.labels_only:
                return None
            name = self.reference_image.format(reference=reference)
            if folder is not None:
                return folder.find(name)
            return images.find(name, "references without an image")

        return find

    def _said_by(self, name: str) -> dict[str, Any] | None:
        """Return the fields of a record that an image's name gives; None if it is malformed."""
        if self.name is None:
            return {}
        match = self.name.fullmatch(name)
        said: dict[str, Any] = {} if match is None else match.groupdict()
        method = said.get("method")
        if match is None or (self.methods and method not in self.methods):
            return None
        if self.methods:
            said["method"] = self.methods[str(method)]
        if said.get("reference") is not None:
            said["reference"] = self.spell_reference(said["reference"])
        if said.get("scale") is not None:
            try:
                said["scale"] = scale_factor(said["scale"])
            except ValueError:
                return None
        return said
