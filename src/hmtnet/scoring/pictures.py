"""A picture of a verdict: the image, and beside it why it was judged so.

Drawn with matplotlib's objects, never with pyplot. Import this module only where a picture is
wanted: matplotlib takes a second to import. Each PNG appears whole or not at all.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, OffsetImage, TextArea
from matplotlib.patches import Patch

from hmtnet.errors import DataError
from hmtnet.files import written_aside
from hmtnet.models.maps import MapStyle
from hmtnet.scoring.pixels import ImageLike, read_rgb
from hmtnet.scoring.shading import Scale, reduced, shaded_maps, step_of
from hmtnet.scoring.verdict import Verdict

DPI = 150

# The layout in inches: every panel as wide as the others and as high as the image needs.
_PANEL, _GAP, _SIDE, _TOP, _BOTTOM, _BARS = 3.0, 0.25, 0.35, 1.25, 0.75, 3.4
_LOWEST, _HIGHEST = 1.5, 4.5
_SHARPEST = 700  # pixels that a panel shows along a side


@dataclass(frozen=True)
class _Theme:
    """Colours of the paper and of the texts on it, as pages have them."""

    paper: str
    ink: str


_ON_LIGHT, _ON_DARK = _Theme("#ffffff", "#1c2127"), _Theme("#15181c", "#e6e9ed")

_FRAME = "#888888"  # around maps and scales: they may have the colour of the paper

# Okabe and Ito's palette for colour-blind readers.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_DARK = ("#0072B2",)  # that white letters are read on


def verdict_picture(
    image: ImageLike, verdict: Verdict, path: Path, title: str = "", *, dark: bool = False
) -> None:
    """Draw an image, those of its maps that have a title, and its verdict.

    Args:
        image: What was judged.
        verdict: What the scorer said of it.
        path: The PNG to write; 450 pixels wide per panel.
        title: A line above the verdict, such as the image's name.
        dark: Draw on dark paper.

    Raises:
        DataError: The image cannot be read, or is not of the verdict's size.
    """
    pixels = read_rgb(image)
    height, width = pixels.shape[:2]
    if (height, width) != (verdict.layout.height, verdict.layout.width):
        raise DataError(
            f"Expected the judged image of {verdict.layout.width} × {verdict.layout.height} "
            f"pixels, found one of {width} × {height}. Give the image that the verdict is of."
        )
    theme = _ON_DARK if dark else _ON_LIGHT
    panels = shaded_maps(pixels, verdict, _SHARPEST)
    drawn = [name for name in verdict.maps if verdict.styles[name].title]
    bars = [name for name in drawn if name not in panels]
    tall = min(max(_PANEL * height / width, _LOWEST), _HIGHEST)
    wide = 2 * _SIDE + (1 + len(panels)) * (_PANEL + _GAP) + len(bars) * _BARS
    figure = Figure(figsize=(wide, _TOP + tall + _BOTTOM), dpi=DPI, facecolor=theme.paper)
    axes = [_panel(figure, i, tall, wide) for i in range(1 + len(panels))]
    axes[0].imshow(reduced(pixels, step_of(pixels, _SHARPEST)) / 255)
    _caption(axes[0], f"image, {width} × {height} pixels", _seen_through(verdict), theme)
    for place, shaded in zip(axes[1:], panels.values(), strict=True):
        place.imshow(shaded.pixels)
        _caption(place, shaded.title, shaded.hint, theme)
        _draw_scale(place, shaded.scale, theme)
    for i, name in enumerate(bars):
        left = _SIDE + len(axes) * (_PANEL + _GAP) + i * _BARS + 0.85
        box = (left / wide, _BOTTOM / (_TOP + tall + _BOTTOM))
        size = ((_BARS - 1.0) / wide, tall / (_TOP + tall + _BOTTOM))
        place = figure.add_axes((*box, *size))
        _draw_levels(place, verdict.styles[name], verdict.maps[name], theme)
    _finish(figure, path, verdict, title, theme)


def _panel(figure: Figure, index: int, tall: float, wide: float) -> Axes:
    high = _TOP + tall + _BOTTOM
    left = _SIDE + index * (_PANEL + _GAP)
    axes = figure.add_axes((left / wide, _BOTTOM / high, _PANEL / wide, tall / high))
    axes.set(xticks=(), yticks=(), anchor="N")
    axes.spines[:].set(color=_FRAME, linewidth=0.5)
    return axes


def _draw_scale(axes: Axes, scale: Scale, theme: _Theme) -> None:
    """Show below a map which colour is which value."""
    if scale.steps:
        chips = [
            Patch(facecolor=colour, edgecolor=theme.ink, linewidth=0.5, label=label)
            for colour, label in zip(scale.colours, scale.labels, strict=True)
        ]
        _legend(axes, theme, min(len(chips), 5), chips)
        return
    low, high = (
        TextArea(label, textprops={"size": 7.5, "color": theme.ink}) for label in scale.labels
    )
    colours = LinearSegmentedColormap.from_list("", scale.colours)
    framed = np.full((10, 92, 3), to_rgb(_FRAME))
    framed[1:-1, 1:-1] = colours(np.linspace(0, 1, 90))[:, :3]
    strip = OffsetImage(framed)
    axes.add_artist(
        AnchoredOffsetbox(
            "upper center",
            child=HPacker(children=[low, strip, high], align="center", pad=0, sep=4),
            bbox_to_anchor=(0.5, -0.02),
            bbox_transform=axes.transAxes,
            frameon=False,
        )
    )


def _legend(
    axes: Axes, theme: _Theme, columns: int, handles: Sequence[Patch] | None = None
) -> None:
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=columns,
        fontsize=7.5,
        frameon=False,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=0.9,
        labelcolor=theme.ink,
    )


def _draw_levels(
    axes: Axes, style: MapStyle, shares: npt.NDArray[np.float32], theme: _Theme
) -> None:
    """Draw a bar per level, shared out among the names; the coarsest level is lowest."""
    levels = np.arange(len(shares))
    start = np.zeros(len(shares))
    for index, name in enumerate(style.names):
        colour = _COLOURS[index % len(_COLOURS)]
        bars = axes.barh(levels, shares[:, index], left=start, height=0.6, color=colour, label=name)
        texts = [f"{share:.0%}" if share >= 0.12 else "" for share in shares[:, index]]
        ink = "white" if colour in _DARK else "black"
        axes.bar_label(bars, texts, label_type="center", fontsize=8, color=ink, weight="bold")
        start += shares[:, index]
    names = [str(level + 1) for level in levels]
    names[0] = f"{names[0]} fine" if len(names) > 1 else names[0]
    names[-1] = f"{names[-1]} coarse" if len(names) > 1 else names[-1]
    axes.set_yticks(levels, names, fontsize=8)
    axes.set(xlim=(0, 1), xticks=(), ylim=(len(shares) - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.ink, length=0)
    _caption(axes, style.title, style.hint, theme)
    _legend(axes, theme, 3)


def _seen_through(verdict: Verdict) -> str:
    count, size = len(verdict.layout.corners), verdict.layout.size
    unseen = any(np.isnan(found).any() for found in verdict.maps.values())
    tiles = f"{count} tile{'' if count == 1 else 's'} of {size} × {size}"
    return f"seen through {tiles}{'; striped: unseen' if unseen else ''}"


def _caption(axes: Axes, name: str, meaning: str, theme: _Theme) -> None:
    text = f"{name}\n{meaning}"
    axes.set_title(text, fontsize=8.5, color=theme.ink, linespacing=1.4, loc="left")


def _finish(figure: Figure, path: Path, verdict: Verdict, title: str, theme: _Theme) -> None:
    """Set the title and write the PNG, whole or not at all."""
    width, height = figure.get_size_inches()
    lines = [title] if title else []
    lines += textwrap.wrap(str(verdict), max(30, int((width - 2 * _SIDE) * 10)))
    figure.text(
        _SIDE / width,
        1 - 0.15 / height,
        "\n".join(lines),
        fontsize=10.5,
        weight="bold",
        color=theme.ink,
        va="top",
        linespacing=1.3,
    )
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
