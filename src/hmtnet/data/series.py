"""The splits that one protocol yields: what a result is repeated over."""

from collections.abc import Iterator
from dataclasses import replace

from hmtnet.data.labels import Labels
from hmtnet.data.split import SplitSettings
from hmtnet.errors import SettingsError

# Seeds of a protocol: small test sets (method) need about this many for a stable median.
USUAL = 20


def series(
    labels: Labels, settings: SplitSettings, count: int | None = None
) -> Iterator[SplitSettings]:
    """Yield the settings of every split that a protocol yields.

    Args:
        labels: The dataset.
        settings: The protocol, and the first seed or index.
        count: How many; by default all stored orders (``published``), all folds (``kfold``), one
            (``official``, ``all``, ``cross``, ``file``) and ``USUAL`` seeds of any other protocol.

    Raises:
        SettingsError: There are fewer splits than asked for, or none is asked for.
    """
    name, available = _available(labels, settings)
    wanted = min(USUAL, available) if count is None and name == "seed" else count or available
    if count is not None and not 1 <= count <= available:
        raise SettingsError(
            f"splits={count}: split={settings.protocol} of '{labels.name}' yields 1 to "
            f"{available} splits from {name} {getattr(settings, name)} on."
        )
    for step in range(wanted):
        yield replace(settings, **{name: getattr(settings, name) + step})


def _available(labels: Labels, settings: SplitSettings) -> tuple[str, int]:
    """Return which setting counts the splits, and how many there are from the first one on."""
    if settings.protocol == "published" and labels.published is not None:
        return "index", len(labels.published.permutations) - settings.index
    if settings.protocol == "kfold":
        return "index", settings.folds - settings.index
    if settings.protocol in ("published", "official", "all", "whole", "cross", "file"):
        return "index", 1
    return "seed", 2**31 - settings.seed
