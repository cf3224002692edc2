"""How readers put labels and files together: faults collected, files found by name."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels, Published
from hmtnet.data.readers.folder import LOSSLESS, child, contents, is_clutter, same
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, listed

LOSSY = (".jpg", ".jpeg")


class Faults:
    """Everything wrong with a dataset's folder, collected so that one error tells it all.

    Args:
        root: The folder, or the label file that is read alone.
        facts: The dataset.
        hint: How names and label lines look, for the message.
    """

    def __init__(self, root: Path, facts: Facts, hint: str) -> None:
        self.root = root
        self.facts = facts
        self.hint = hint
        self._items: dict[str, dict[str, None]] = defaultdict(dict)

    def add(self, what: str, item: object) -> None:
        """Note one fault, such as ``add("malformed label lines", "line 3: 'x'")``.

        The same fault counts once: a reference that many labels miss is one missing image.
        """
        self._items[what][str(item)] = None

    def check(self) -> None:
        """Raise if there was a fault.

        Raises:
            DataError: All faults, counted, with examples.
        """
        found = [f"{len(items)} {what} ({listed(items)})" for what, items in self._items.items()]
        if found:
            title = self.facts.title
            raise DataError(
                f"'{self.root}' is not a complete dataset in the layout of {title}: "
                f"{'; '.join(found)}. {self.hint} {self.facts.obtained}"
            )


class Images:
    """The image files of a folder, found by the names that labels give them.

    Letter case, the direction of slashes and the lossless container do not matter: a PNG stands for
    the BMP that a label names. A lossy copy does not, because its quality is not the one scored.

    Args:
        root: The dataset's folder, which the names of found images are relative to.
        folder: Where the names in the labels start; None takes every name as it is
            (``data.labels_only``).
        faults: Gets images that are missing, ambiguous or only there as a lossy copy.
        lossy: Whether the dataset's own images are JPEG files.
        within: Entries of the folder, in any letter case, that hold the images; what lies beside
            them is not looked at. All by default.
        flat: Whether labels name the bare file, whatever sub-folder it lies in.
    """

    def __init__(
        self,
        root: Path,
        folder: Path | None,
        faults: Faults,
        lossy: bool = False,
        *,
        within: Iterable[str] = (),
        flat: bool = False,
    ) -> None:
        self._folder = folder
        self._faults = faults
        self._flat = flat
        self._files: dict[str, str] = {}
        self._lossy_copies: dict[str, str] = {}
        self._found: set[str] = set()
        tops = {top.lower() for top in within}
        for path in _files(folder) if folder is not None else ():
            name = path.relative_to(root).as_posix()
            inner = path.relative_to(folder) if folder is not None else path
            if tops and inner.parts[0].lower() not in tops:
                continue
            key = self._key(inner.as_posix())
            suffix = path.suffix.lower()
            if suffix in LOSSLESS or (lossy and suffix in LOSSY):
                if key in self._files:
                    faults.add("images present more than once", f"{self._files[key]} and {name}")
                self._files[key] = name
            elif suffix in LOSSY:
                self._lossy_copies[key] = name

    def find(self, name: str, what: str = "labels without an image") -> str:
        """Return the path, relative to the root, of the image that a label names.

        Args:
            name: As the label has it; relative to the folder.
            what: How a missing image is called among the faults.

        Returns:
            The found file, or the name itself where it is missing (which is noted as a fault) or
            where only labels are read.
        """
        name = name.replace("\\", "/")
        if self._folder is None:
            return name
        key = self._key(name)
        self._found.add(key)
        if key in self._files:
            return self._files[key]
        copy = self._lossy_copies.get(key)
        self._faults.add(what, name if copy is None else f"{name} (only as a lossy copy, {copy})")
        return name

    def has(self, name: str) -> bool:
        """Whether an image of this name is there; True where only labels are read."""
        return self._folder is None or self._key(name.replace("\\", "/")) in self._files

    def check_labelled(self) -> None:
        """Note every image that no label has asked for as a fault."""
        for key, name in sorted(self._files.items()):
            if key not in self._found:
                self._faults.add("images without a label", name)

    def _key(self, name: str) -> str:
        """Return what two names of one image share: lower case, no container."""
        path = PurePosixPath(same(name))
        if self._flat:
            path = PurePosixPath(path.name)
        return str(path.with_suffix("") if path.suffix in LOSSLESS + LOSSY else path)


def require(root: Path, facts: Facts, parts: Mapping[str, Iterable[str]]) -> dict[str, Path]:
    """Find the parts that make up a dataset's folder.

    Args:
        root: The dataset's folder.
        facts: The dataset.
        parts: Our name of a part to the names that it may have, in any letter case, the official
            one first.

    Returns:
        Our name to the part's path.

    Raises:
        DataError: A part is missing; the message says what is there instead, and names an inner
            folder that has all of them.
    """
    known = {part: tuple(names) for part, names in parts.items()}
    found = {part: child(root, names) for part, names in known.items()}
    missing = [known[part][0] for part, path in found.items() if path is None]
    if missing:
        inner = [
            folder
            for folder in sorted(root.iterdir())
            if folder.is_dir() and all(child(folder, names) for names in known.values())
        ]
        hint = f" Did you mean '{inner[0]}'?" if inner else ""
        wanted = listed([names[0] for names in known.values()], 10)
        raise DataError(
            f"'{root}' does not have the layout of {facts.title}: {listed(missing, 10)} not found; "
            f"{contents(root)}.{hint} Set data.root to the folder that holds {wanted}. "
            f"{facts.obtained}"
        )
    return {part: path for part, path in found.items() if path is not None}


def labels_of(
    settings: DataSettings,
    facts: Facts,
    root: Path,
    records: Iterable[Record],
    *,
    left_out: Iterable[str] = (),
    published: Published | None = None,
) -> Labels:
    """Make a published dataset's labels: what its facts fix, and what the settings may say.

    A set of another name in the same layout is somebody's own: it does not get licence, citation
    and known numbers of the published one.

    Raises:
        DataError: As ``Labels``.
    """
    official = settings.dataset == settings.reader
    return Labels(
        name=settings.dataset,
        root=root,
        records=tuple(records),
        label_kind=settings.label_kind or facts.label_kind,
        mos_range=facts.range,
        higher_is_better=facts.higher_is_better,
        licence=settings.licence or (facts.licence if official else ""),
        citation=settings.citation or (facts.citation if official else ""),
        left_out=tuple(left_out),
        links=settings.links,
        facts=facts if official else None,
        published=published,
    )


def fixed(facts: Facts, **others: object) -> dict[str, object]:
    """Return the settings that a published layout fixes, for ``DataSettings.refuse_other_than``.

    Args:
        facts: The dataset.
        others: Further settings, or exceptions, such as ``table=None`` (no use for it).
    """
    own: dict[str, object] = {
        "range": facts.range,
        "direction": facts.direction,
        "label_kind": facts.label_kind,
        "images": None,
        "columns": None,
    }
    return own | others


def _files(folder: Path) -> Iterable[Path]:
    """Yield the files below a folder in a fixed order, hidden ones left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        for name in sorted(files):
            if not is_clutter(name):
                yield Path(place, name)
