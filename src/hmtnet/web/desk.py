"""Uploaded images judged by a trained network."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hmtnet.errors import DataError
from hmtnet.report.render.scores import Shown, shown_of
from hmtnet.scoring.listing import Listed
from hmtnet.scoring.score_table import Failure
from hmtnet.scoring.scorer import Scorer
from hmtnet.scoring.series import Series

PANEL = 640
"""Longer side of a map as the page shows it, pixels."""


class Desk:
    """Judges image files that came as bytes.

    Args:
        scorer: What judges; of a system that needs no references.
        model: How it is named.
    """

    def __init__(self, scorer: Scorer, model: str) -> None:
        self._scorer = scorer
        self._model = model

    def __call__(self, data: bytes, maps: bool) -> dict[str, Any]:
        """Judge an image file.

        Decoders read files, so that it lies in a folder of its own meanwhile, which only this
        person can read, under a name that nobody else has chosen.

        Returns:
            The fields of its row (`hmtnet.scoring.score_table.Row`) but its name, and, as
            ``shown``, its pictures (`hmtnet.report.render.scores.Shown`).

        Raises:
            DataError: It cannot be judged.
        """
        shown: list[Shown] = []
        with tempfile.TemporaryDirectory(prefix="hmtnet-") as folder:
            path = Path(folder) / "image"
            path.write_bytes(data)
            series = Series(
                *(self._scorer, self._model, {}),
                see=lambda _, pixels, verdict: shown.append(shown_of(pixels, verdict, panel=PANEL)),
                with_maps=maps,
            )
            (found,) = series.score([Listed(path, Path(path.name))])
        if isinstance(found, Failure):
            raise DataError(
                found.reason.replace(f"Image '{path}'", "The image").replace(str(path), "image")
            )
        row = asdict(found)
        del row["image"]  # where it lay
        return {**row, "shown": asdict(shown[0])}
