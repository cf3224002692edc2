"""Every SR method of a synthesised set behind one door, and the draw of what a method does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hmtnet.data.demo import methods as demo
from hmtnet.data.demo.artefacts import fine_detail
from hmtnet.data.demo.pixels import Image, resize, to_bytes, to_unit
from hmtnet.errors import SettingsError, nearest
from hmtnet.synthesis import networks, weights
from hmtnet.synthesis.draws import Draws

Pixels = NDArray[np.uint8]
NEED_OTHERS = ("learned-filters", "hallucinated")  # what they know comes from other photographs


@dataclass(frozen=True)
class Enlargement:
    """What makes a super-resolved image of a low-resolution one.

    Attributes:
        method: The method's name.
        factor: What the method itself enlarges by; resizing does the rest. 0 for methods that
            enlarge by any factor, and for combinations.
        strength: How strongly it acts, for a method with a strength: the share of the first
            part in a blend, the amount of sharpening, the blur's standard deviation in pixels.
        variant: Which weights a network has; whose texture is hallucinated.
        parts: What a combination is made of, in order.
    """

    method: str
    factor: int = 0
    strength: float | None = None
    variant: str | None = None
    parts: tuple["Enlargement", ...] = ()


class Others(Protocol):
    """What a method may know of other photographs than the image's own."""

    def filters(self, factor: int) -> NDArray[np.float64]:
        """Return filters that were learned from them, shape (buckets, taps)."""

    def texture(self, name: str, size: int) -> Image:
        """Return the luma of one of them, shape (size, size)."""


@dataclass(frozen=True)
class Method:
    """An SR method.

    Attributes:
        number: MM in ``imgRR_S_MM``; the same in every set.
        name: What people call it.
        kind: The family it belongs to.
        factors: What it enlarges by; empty if by any factor.
    """

    number: int
    name: str
    kind: str
    factors: tuple[int, ...] = ()

    def reaches(self, scale: float) -> bool:
        """Whether its factors are near enough to a scale for resizing to do the rest."""
        return not self.factors or any(scale / 2 <= factor <= 2 * scale for factor in self.factors)

    def factor(self, scale: float) -> int:
        """Return the smallest factor that is no smaller than a scale, else the largest."""
        if not self.factors:
            return 0
        return min((f for f in self.factors if f >= scale), default=max(self.factors))


COMBINATIONS = (
    Method(41, "blend", "combination"),
    Method(42, "sharpened", "combination"),
    Method(43, "repeated", "combination"),
    Method(44, "softened", "combination"),
)
_DEMO = {method.name: method for method in demo.METHODS}
_FAMILIES = {family.name: family for family in networks.FAMILIES}


class Toolbox:
    """The methods that are at hand.

    Args:
        weight_files: SR networks of the user's.
        chosen: The names of the methods wanted; ``None`` for all.

    Attributes:
        methods: By name, those that can be used.
        missing: By name, why others cannot.

    Raises:
        SettingsError: A name is unknown, or two are the same.
        DataError: A weight file holds no SR network.
    """

    def __init__(
        self, weight_files: Sequence[Path] = (), chosen: Sequence[str] | None = None
    ) -> None:
        self._weights = {path.stem: path for path in weight_files}
        fixed = {m.name for m in (*demo.METHODS, *networks.FAMILIES, *COMBINATIONS)}
        if len(self._weights) < len(weight_files) or fixed & self._weights.keys():
            raise SettingsError(
                "Two methods have the same name; rename a file of weights=…: its name without the "
                "suffix becomes a method's."
            )
        known = [
            *(Method(m.number, m.name, m.kind, _demo_factors(m)) for m in demo.METHODS),
            *(Method(f.number, f.name, "network", tuple(f.files)) for f in networks.FAMILIES),
            *COMBINATIONS,
            *(
                Method(61 + i, name, "weight file", (weights.factor_of(path),))
                for i, (name, path) in enumerate(self._weights.items())
            ),
        ]
        names = [method.name for method in known]
        for name in chosen or ():
            if name not in names:
                raise SettingsError(f"Unknown SR method '{name}'.{nearest(name, names)}")
        wanted = set(names if chosen is None else chosen)
        reasons = {name: networks.absent(family) for name, family in _FAMILIES.items()}
        self.missing = {name: why for name, why in reasons.items() if why and name in wanted}
        self.methods = {m.name: m for m in known if m.name in wanted - self.missing.keys()}

    def without(self, reasons: Mapping[str, str]) -> "Toolbox":
        """Return the same without some methods, each with the reason."""
        fewer = object.__new__(Toolbox)
        fewer._weights = self._weights
        fewer.missing = self.missing | {n: why for n, why in reasons.items() if n in self.methods}
        fewer.methods = {n: m for n, m in self.methods.items() if n not in reasons}
        return fewer

    def draw(self, name: str, scale: float, draws: Draws, others: Sequence[str]) -> Enlargement:
        """Draw what a method does to one image.

        Args:
            name: The method.
            scale: The scale factor of the image.
            draws: Of this image and this use of the method.
            others: Names of references of other photographs.
        """
        method = self.methods[name]
        if method in COMBINATIONS:
            return self._combined(name, scale, draws, others)
        factor = method.factor(scale)
        drawn = Enlargement(name, factor)
        limits = _DEMO[name].strengths if name in _DEMO else None
        if limits is not None:
            drawn = replace(drawn, strength=draws.uniform(f"{name} strength", *limits))
        if name == "hallucinated":
            drawn = replace(drawn, variant=draws.choice("texture", others))
        if name in _FAMILIES:
            files = _FAMILIES[name].files[factor]
            drawn = replace(drawn, variant=draws.choice(f"{name} weights", files))
        return drawn

    def simple(self, scale: float) -> list[str]:
        """Return the methods that are no combinations and reach a scale."""
        return [
            name
            for name, method in self.methods.items()
            if method not in COMBINATIONS and method.reaches(scale)
        ]

    def is_crisp(self, name: str) -> bool:
        """Whether a method is an SR network or a combination of methods."""
        return self.methods[name].kind in ("network", "weight file", "combination")

    def offers(self, scale: float) -> list[str]:
        """Return all methods for a scale: a combination needs two others."""
        simple = self.simple(scale)
        combined = [m.name for m in COMBINATIONS if m.name in self.methods]
        return simple + (combined if len(simple) >= 2 else [])

    def _combined(
        self, name: str, scale: float, draws: Draws, others: Sequence[str]
    ) -> Enlargement:
        first, second, *_ = draws.shuffled("parts", self.simple(scale))
        names = (first,) if name in ("sharpened", "softened") else (first, second)
        parts = tuple(self.draw(part, scale, draws, others) for part in names)
        strength = {
            "blend": draws.uniform("share", 0.2, 0.8),
            "sharpened": draws.geometric("amount", 0.2, 4.0),
            "softened": draws.geometric("sigma", 0.3, 1.0),
        }.get(name)
        return Enlargement(name, strength=strength, parts=parts)

    def super_resolve(self, plan: Enlargement, low: Pixels, size: int, others: Others) -> Pixels:
        """Super-resolve an image.

        Args:
            plan: What to do.
            low: The low-resolution image, RGB, shape (h, h, 3), uint8.
            size: Rows and columns of the result.
            others: What is known of other photographs.

        Returns:
            RGB, shape (size, size, 3), uint8.

        Raises:
            DataError: A network fails on this image.
        """
        made = [self.super_resolve(part, low, size, others) for part in plan.parts[:1]]
        if plan.method == "blend":
            made.append(self.super_resolve(plan.parts[1], low, size, others))
            share = plan.strength or 0.0
            return to_bytes(share * to_unit(made[0]) + (1.0 - share) * to_unit(made[1]))
        if plan.method == "sharpened":
            image = to_unit(made[0])
            detail = np.stack([fine_detail(image[..., c], _SHARPENED) for c in range(3)], axis=-1)
            return to_bytes(image + (plan.strength or 0.0) * detail)
        if plan.method == "softened":
            sigmas = (plan.strength or 0.0, plan.strength or 0.0, 0.0)
            return to_bytes(gaussian_filter(to_unit(made[0]), sigmas, mode="reflect"))
        if plan.method == "repeated":
            again = to_bytes(resize(to_unit(made[0]), *low.shape[:2]))
            return self.super_resolve(plan.parts[1], again, size, others)
        if plan.factor == 0:
            kernel = demo.INTERPOLATION[plan.method]
            return to_bytes(resize(to_unit(low), size, size, kernel))
        return _to_size(low, size, plan.factor, lambda image: self._once(plan, image, others))

    def _once(self, plan: Enlargement, low: Pixels, others: Others) -> Pixels:
        """Apply a method once, at its own factor."""
        name, factor = plan.method, plan.factor
        if name in self._weights:
            return weights.enlarge(self._weights[name], low)
        if name in _FAMILIES:
            return networks.enlarge(_FAMILIES[name], low, factor, plan.variant or "")
        filters, texture = np.zeros((0, 0)), np.zeros((0, 0))
        if name == "learned-filters":
            filters = others.filters(factor)
        elif name == "hallucinated":
            texture = others.texture(plan.variant or "", low.shape[0] * factor)
        knowledge = demo.Knowledge(filters, texture)
        return demo.super_resolve(_DEMO[name], low, factor, plan.strength, knowledge)


_SHARPENED = 1.2  # pixels: standard deviation of the blur in the unsharp mask


def _demo_factors(method: demo.Method) -> tuple[int, ...]:
    """Return what a method of the demo set enlarges by; it was made for small whole factors."""
    return () if method.name in demo.INTERPOLATION else (2, 3, 4)


def _to_size(low: Pixels, size: int, factor: int, once: Callable[[Pixels], Pixels]) -> Pixels:
    """Enlarge by a fixed factor, again while a whole factor is missing, and resize the rest."""
    image = once(low)
    while image.shape[0] * factor <= size:
        image = once(image)
    return image if image.shape[0] == size else to_bytes(resize(to_unit(image), size, size))
