"""A picture of a verdict: the image, and beside it why it was judged so.

Drawn with matplotlib's objects, never with pyplot. Import this module only where a picture is
wanted: matplotlib takes a second to import. Each PNG appears whole or not at all.
"""

import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hmtnet.errors import DataError
from hmtnet.files import written_aside
from hmtnet.models.maps import MapStyle
from hmtnet.scoring.pixels import ImageLike, read_rgb
from hmtnet.scoring.verdict import Verdict

DPI = 150

# The layout in inches: every panel as wide as the others and as high as the image needs.
_PANEL, _GAP, _SIDE, _TOP, _BOTTOM, _BARS = 3.0, 0.25, 0.35, 1.25, 0.75, 3.4
_LOWEST, _HIGHEST = 1.5, 4.5
_SHARPEST = 700  # pixels that a panel shows along a side

# Okabe & Ito's palette for colour-blind readers; cividis was made for them.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_DARK = ("#0072B2", "#009E73")  # that white letters are read on
_GRADES = "cividis"
_INK = "#333333"

_UNSEEN = "#dddddd"


def verdict_picture(image: ImageLike, verdict: Verdict, path: Path, title: str = "") -> None:
    """Draw an image, those of its maps that have a title, and its verdict.

    Args:
        image: What was judged.
        verdict: What the scorer said of it.
        path: The PNG to write; 450 pixels wide per panel.
        title: A line above the verdict, such as the image's name.

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
    drawn = [name for name in verdict.maps if verdict.styles[name].title]
    bars = [name for name in drawn if verdict.styles[name].kind == "levels"]
    panels = [name for name in drawn if name not in bars]
    tall = min(max(_PANEL * height / width, _LOWEST), _HIGHEST)
    wide = 2 * _SIDE + (1 + len(panels)) * (_PANEL + _GAP) + len(bars) * _BARS
    figure = Figure(figsize=(wide, _TOP + tall + _BOTTOM), dpi=DPI)
    axes = [_panel(figure, i, tall, wide) for i in range(1 + len(panels))]
    step = math.ceil(max(height, width) / _SHARPEST)
    axes[0].imshow(_reduced(pixels, step) / 255)
    _caption(axes[0], f"image, {width} × {height} pixels", _seen_through(verdict))
    for place, name in zip(axes[1:], panels, strict=True):
        _draw_map(place, verdict.styles[name], _reduced(verdict.maps[name], step), verdict.grades)
    for i, name in enumerate(bars):
        left = _SIDE + len(axes) * (_PANEL + _GAP) + i * _BARS + 0.85
        box = (left / wide, _BOTTOM / (_TOP + tall + _BOTTOM))
        size = ((_BARS - 1.0) / wide, tall / (_TOP + tall + _BOTTOM))
        _draw_levels(figure.add_axes((*box, *size)), verdict.styles[name], verdict.maps[name])
    _finish(figure, path, verdict, title)


def _panel(figure: Figure, index: int, tall: float, wide: float) -> Axes:
    high = _TOP + tall + _BOTTOM
    left = _SIDE + index * (_PANEL + _GAP)
    axes = figure.add_axes((left / wide, _BOTTOM / high, _PANEL / wide, tall / high))
    axes.set_axis_off()
    axes.set_anchor("N")
    return axes


def _draw_map(axes: Axes, style: MapStyle, values: npt.NDArray[np.float32], grades: int) -> None:
    low, high = 0.0, 1.0
    if style.kind == "evidence":
        _show(axes, values, _GRADES, 1, grades)
        _grade_legend(axes, grades)
    else:
        seen = values[np.isfinite(values)]
        if style.shades == "from_zero":
            high = max(float(np.quantile(seen, 0.99)) if seen.size else 0.0, 1 / 255)
        elif style.shades == "spread" and seen.size:
            low, high = (float(np.quantile(seen, q)) for q in (0.01, 0.99))
        _show(axes, values, "gray", low, max(high, low + 1e-6))
    _caption(axes, style.title, style.hint.format(low=low, high=high))


def _show(
    axes: Axes, values: npt.NDArray[np.float32], colours: str, low: float, high: float
) -> None:
    shades = colormaps[colours].with_extremes(bad=_UNSEEN)
    axes.imshow(np.ma.masked_invalid(values), cmap=shades, vmin=low, vmax=high)


def _grade_legend(axes: Axes, grades: int) -> None:
    """Show the colour of each grade below the map."""
    names = [str(grade) for grade in range(1, grades + 1)]
    names[0], names[-1] = f"{names[0]} worst", f"{names[-1]} best"
    shades = colormaps[_GRADES](np.linspace(0, 1, grades))
    axes.legend(
        handles=[
            Patch(facecolor=shade, edgecolor=_INK, linewidth=0.5, label=name)
            for shade, name in zip(shades, names, strict=True)
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=min(grades, 5),
        fontsize=7.5,
        frameon=False,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=0.9,
        labelcolor=_INK,
    )


def _draw_levels(axes: Axes, style: MapStyle, shares: npt.NDArray[np.float32]) -> None:
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
    axes.tick_params(colors=_INK, length=0)
    _caption(axes, style.title, style.hint)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=3,
        fontsize=7.5,
        frameon=False,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=0.9,
        labelcolor=_INK,
    )


def _seen_through(verdict: Verdict) -> str:
    count, size = len(verdict.layout.corners), verdict.layout.size
    unseen = any(np.isnan(found).any() for found in verdict.maps.values())
    tiles = f"{count} tile{'' if count == 1 else 's'} of {size} × {size}"
    return f"seen through {tiles}{'; grey: unseen' if unseen else ''}"


def _caption(axes: Axes, name: str, meaning: str) -> None:
    axes.set_title(f"{name}\n{meaning}", fontsize=8.5, color=_INK, linespacing=1.4, loc="left")


def _reduced(values: npt.NDArray[Any], step: int) -> npt.NDArray[np.float32]:
    """Average blocks of ``step`` × ``step`` places: a picture shows no more of a large image."""
    rows, columns = (max(1, side // step) for side in values.shape[:2])
    if step == 1 or min(values.shape[:2]) < step:
        return values[::step, ::step].astype(np.float32)
    total = np.zeros((rows, columns, *values.shape[2:]), dtype=np.float32)
    for down in range(step):
        for across in range(step):
            total += values[down : rows * step : step, across : columns * step : step]
    total /= step**2
    return total


def _finish(figure: Figure, path: Path, verdict: Verdict, title: str) -> None:
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
        color=_INK,
        va="top",
        linespacing=1.3,
    )
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
