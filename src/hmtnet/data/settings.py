"""Which dataset, where it lies, and what its scores mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hmtnet.data.memory import Cache
from hmtnet.errors import SettingsError

LabelKind = Literal["human", "pseudo"]


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Which dataset to read.

    Attributes:
        reader: Name of the reader: the layout the dataset's folder has.
        name: Name of the dataset in run directories and tables; the reader's name by default, of a
            ``table`` its folder's.
        root: The dataset's folder; see ``readers.folder.find_root``.
        label_kind: Whether people gave the scores, or a formula did.
        range: Lowest and highest possible score, in the dataset's own unit.
        direction: Whether a higher or a lower score means better quality.
        table: The label table: a CSV inside the root (reader ``table``), or a published ``.mat``
            table of the dataset, whose labels then replace the folder's own label file.
        images: Sub-folder of the root that holds the images (reader ``table``).
        columns: Our column name to the table's own, such as ``{image: name}`` (reader ``table``).
        labels_only: Read no more than the labels: the images need not be there.
        cache: Whether decoded images stay in memory or are decoded each time they are used;
            ``auto`` keeps them where they take no more than half of the free memory.
        links: Whether images may lie outside the root, behind links in it.
        licence: Licence of the dataset, where the reader does not know it.
        citation: Publication to cite, where the reader does not know it.
        also: More datasets, by the name of each, to be used together with this one.
    """

    reader: str
    name: str | None = None
    root: str | None = None
    label_kind: LabelKind | None = None
    range: tuple[float, float] | None = None
    direction: Literal["higher", "lower"] | None = None
    table: str | None = None
    images: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    labels_only: bool = False
    cache: Cache = "auto"
    links: bool = False
    licence: str | None = None
    citation: str | None = None
    also: "dict[str, DataSettings]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.root == "":
            raise ValueError("root: expected a folder or null, found empty text")
        name = self.name
        if name is not None and (
            not name.isprintable() or name.strip(". ") == "" or {"/", "\\"} & {*name}
        ):
            raise ValueError(
                f"name: expected what a folder can be called, without / and \\, found {name!r}; "
                "run directories are kept under it"
            )
        for name, other in self.also.items():
            if other.name not in (None, name):
                raise ValueError(
                    f"also.{name}.name: found {other.name!r}, and the dataset's name is '{name}' "
                    "already; leave it out, or write another one behind also"
                )
            if other.also or other.cache != "auto" or other.labels_only:
                raise ValueError(
                    f"also.{name}: also, cache and labels_only are for all datasets together; "
                    "give them without its name, as in data.cache=none"
                )
            replace(other, name=name)  # refuses what no folder can be called

    @property
    def each(self) -> "tuple[DataSettings, ...]":
        """The datasets that are meant, each by itself: this one and those of ``also``."""
        named = (replace(other, name=name) for name, other in self.also.items())
        return (replace(self, also={}), *named)

    @property
    def dataset(self) -> str:
        """Name of the dataset: the one given, else the reader's."""
        return self.name or self.reader

    def refuse_other_than(self, fixed: Mapping[str, Any]) -> None:
        """Refuse settings that contradict what a reader's layout fixes.

        A setting that was left out, or that repeats the fixed value, passes; nothing that was
        asked for is dropped silently.

        Args:
            fixed: Setting name to the only value the reader can have (None: it has no use for it).

        Raises:
            SettingsError: A setting asks for something else.
        """
        wrong = []
        for name, value in fixed.items():
            given = getattr(self, name)
            if given in (None, {}, value):
                continue
            has = "has no use for it" if value is None else f"always has {value!r}"
            wrong.append(f"data.{name}={given!r}, but the reader '{self.reader}' {has}")
        if wrong:
            raise SettingsError(
                "; ".join(wrong) + ". Leave it out, or describe your own folder with data=table."
            )
