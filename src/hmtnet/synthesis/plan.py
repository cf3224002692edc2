"""Which images a set has: a pure function of the photographs, the methods at hand and the seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from hmtnet.errors import SettingsError
from hmtnet.synthesis import degradation
from hmtnet.synthesis.degradation import Degradation
from hmtnet.synthesis.draws import Draws
from hmtnet.synthesis.methods import Enlargement, Toolbox
from hmtnet.synthesis.photographs import Photograph, Reference
from hmtnet.synthesis.settings import SynthesisSettings

_TEACHERS = 6  # references that filters are learned from, and that lend their texture


@dataclass(frozen=True)
class PlannedImage:
    """One image of the set.

    Attributes:
        name: The file's name, ``imgRR_S_MM.png``.
        reference: What it shows.
        others: Names of the references that its method may know.
        scale: The scale factor.
        degradation: How its low-resolution image is made.
        enlargement: What is made of that.
    """

    name: str
    reference: Reference
    others: tuple[str, ...]
    scale: float
    degradation: Degradation
    enlargement: Enlargement


def references_of(photographs: Sequence[Photograph], crops: int) -> list[Reference]:
    """Number the crops of all photographs."""
    pairs = [(photograph, crop) for photograph in photographs for crop in range(crops)]
    return [Reference(number, *pair) for number, pair in enumerate(pairs, start=1)]


def draws_of(seed: int, reference: Reference, scale: float, method: str = "") -> Draws:
    """Return an image's draws, or without a method those of the low-resolution image it comes of.

    They depend on the photograph's bytes, not on its number.
    """
    return Draws(seed, reference.photograph.digest, reference.crop, f"{scale:g}", method)


def pairs_of(settings: SynthesisSettings, toolbox: Toolbox) -> list[tuple[float, str]]:
    """Return all pairs of scale and method.

    Raises:
        SettingsError: They are fewer than the images of a reference.
    """
    pairs = [(scale, name) for scale in settings.scales for name in toolbox.offers(scale)]
    if len(pairs) < settings.images:
        raise SettingsError(
            f"images={settings.images} per reference, but {len(toolbox.methods)} methods at "
            f"{len(settings.scales)} scales make {len(pairs)} pairs. Ask for at most that many, or "
            "give more methods or scales."
        )
    return pairs


def plan(
    settings: SynthesisSettings, references: Sequence[Reference], toolbox: Toolbox
) -> list[PlannedImage]:
    """Draw every image of a set.

    Each reference gets its own scales and methods. Images of one reference and scale come of one
    low-resolution image, so that only the methods tell them apart.

    Args:
        settings: What is asked for.
        references: All references of the set.
        toolbox: The methods at hand; none that needs others, unless `have_others`.

    Raises:
        SettingsError: There are fewer pairs of scale and method than images per reference.
    """
    pairs_of(settings, toolbox)
    planned = []
    for reference in references:
        others = tuple(other.name for other in _teachers(reference, references))
        for scale, method in _chosen(settings, reference, toolbox):
            draws = draws_of(settings.seed, reference, scale, method)
            planned.append(
                PlannedImage(
                    f"{reference.name}_{scale:g}_{toolbox.methods[method].number:02d}.png",
                    reference,
                    others,
                    scale,
                    degradation.draw(draws_of(settings.seed, reference, scale), settings.clean),
                    toolbox.draw(method, scale, draws, others),
                )
            )
    return planned


def _chosen(
    settings: SynthesisSettings, reference: Reference, toolbox: Toolbox
) -> list[tuple[float, str]]:
    """Draw a reference's pairs of scale and method, `per_scale` methods at each scale.

    At every second scale the crisp methods come first. Their images differ in the finest detail
    alone, which is what people who compare modern networks have to go by.
    """
    draws = Draws(settings.seed, reference.photograph.digest, reference.crop)
    waiting = {}
    for position, scale in enumerate(draws.shuffled("scales", settings.scales)):
        methods = draws.shuffled(f"methods {scale:g}", toolbox.offers(scale))
        waiting[scale] = (
            sorted(methods, key=toolbox.is_crisp, reverse=True) if position % 2 else methods
        )
    chosen: list[tuple[float, str]] = []
    while len(chosen) < settings.images:
        for scale, methods in waiting.items():
            chosen += [(scale, method) for method in methods[: settings.per_scale]]
            del methods[: settings.per_scale]
    return chosen[: settings.images]


def have_others(references: Sequence[Reference]) -> bool:
    """Whether each reference has others, of other contents, that a method may know."""
    return all(_teachers(reference, references) for reference in references)


def _teachers(reference: Reference, references: Sequence[Reference]) -> list[Reference]:
    """Return references of other contents, the same ones for half of all contents.

    So filters are learned twice, not once for each content.
    """
    half = reference.photograph.content % 2
    return [other for other in references if other.photograph.content % 2 != half][:_TEACHERS]
