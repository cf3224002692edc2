"""The pristine images of a dataset: optional as a whole, but not one by one."""

import logging
from collections.abc import Iterable
from pathlib import Path

from hmtnet.data.readers.assemble import Faults, Images
from hmtnet.data.readers.folder import child
from hmtnet.data.settings import DataSettings


class References:
    """The folder of reference images, each looked for once, however many images it has versions of.

    No-reference training does not need them, so a missing folder is a logged warning; a folder of
    them that lacks one is an incomplete copy. Where only labels are read there are none.

    Args:
        root: The dataset's folder.
        names: Names that the folder may have, in any letter case, the official one first.
        settings: Says whether only labels are read.
        faults: Gets references without an image.
    """

    def __init__(
        self, root: Path, names: Iterable[str], settings: DataSettings, faults: Faults
    ) -> None:
        known = tuple(names)
        self._folder = None if settings.labels_only else child(root, known)
        self._images = Images(root, self._folder, faults)
        self._paths: dict[str, str] = {}
        if self._folder is None and not settings.labels_only:
            logging.getLogger(__name__).warning(
                "Dataset '%s' has no folder %s/.", settings.dataset, known[0]
            )

    def find(self, name: str) -> str | None:
        """Return the path, relative to the root, of a reference's image; None where there are none.

        Args:
            name: Its file name, with or without the container.
        """
        if self._folder is None:
            return None
        if name not in self._paths:
            what = f"references without an image in '{self._folder.name}'"
            self._paths[name] = self._images.find(name, what)
        return self._paths[name]
