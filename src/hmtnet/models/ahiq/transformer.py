"""The first blocks of a vision transformer, as maps."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hmtnet.errors import SettingsError
from hmtnet.models.backbone import timm_config
from hmtnet.models.weights import WeightedSettings, load_backbone


@dataclass(frozen=True, kw_only=True)
class TransformerSettings(WeightedSettings):
    """Which vision transformer, and how much of it.

    Attributes:
        name: One of timm by ``name.tag``. Without a tag it has no weights: which ones a bare name
            means has changed between releases of timm.
        weights: ``"none"`` (random), ``"hub"`` (those of the tag) or a file's path.
        blocks: How many of its first blocks are run; the outputs of all of them are used.
        width: Channels, if others than the name's; only from random weights, as ``heads`` is.
        heads: Attention heads, if others than the name's.
    """

    name: str = "vit_base_patch8_224.augreg_in21k_ft_in1k"
    weights: str = "hub"
    blocks: int = 5
    width: int | None = None
    heads: int | None = None
    told_by: ClassVar[str] = "system.ahiq.network.transformer.weights"

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise ValueError(f"blocks: expected at least 1, found {self.blocks}")
        for name in ("width", "heads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1 or null, found {value}")
            if value is not None and self.weights != "none":
                raise ValueError(
                    f"{name}: the weights are those of the network as it is named; expected null, "
                    f"found {value}. Leave it out, or set weights=none"
                )
        if self.weights != "none" and "." not in self.name:
            raise ValueError(
                f"name: '{self.name}' has no tag, so its weights are not defined. Give name.tag, "
                "such as vit_base_patch8_224.augreg_in21k_ft_in1k, or set weights=none"
            )


class Transformer(nn.Module):
    """The first blocks of a timm vision transformer; later ones are not kept.

    Its position embedding is interpolated to the crop, so that any size serves that its patches
    divide.

    Attributes:
        patch: Side of a patch, pixels.
        channels: Of the output: all blocks' together.
        loaded: Whether trained weights were loaded.
        mean, std: The input normalisation that the weights expect, of RGB in [0, 1].

    Args:
        settings: Which one.

    Raises:
        SettingsError: timm has no such network, it is of another kind, or has fewer blocks.
        WeightsError: Its weights are not there, or do not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.settings = settings
        self.loaded = settings.weights != "none"
        config = timm_config(settings.name)
        self.body = _body(settings)
        self.patch = int(self.body.patch_embed.patch_size[0])
        self.channels = settings.blocks * int(self.body.embed_dim)
        for name, value in (("mean", config.mean), ("std", config.std)):
            self.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1), persistent=False)

    def forward(self, normalised: Tensor) -> Tensor:
        """Look at a normalised input (B, 3, P, P).

        Returns:
            (B, channels, P / patch, P / patch): the blocks' tokens from first to last, without
            those that stand for no place (class, registers), not normalised after the blocks.

        Raises:
            SettingsError: The patches do not divide P.
        """
        check_size(normalised.shape[-1], self.patch)
        maps: list[Tensor] = self.body.forward_intermediates(
            normalised,
            indices=list(range(self.settings.blocks)),
            norm=False,
            stop_early=True,
            intermediates_only=True,
        )
        return torch.cat(maps, 1)

    def standardise(self, pixels: Tensor) -> Tensor:
        """Bring RGB in [0, 1] to the mean and deviation that the weights expect."""
        return (pixels - self.mean) / self.std


def check_size(size: int, patch: int) -> None:
    """Refuse crops that patches do not divide.

    Raises:
        SettingsError: They do not.
    """
    if size % patch:
        below = size - size % patch
        raise SettingsError(
            f"Crops of {size} pixels cannot be divided into the transformer's patches of {patch}: "
            f"expected a multiple of {patch}. Set size.crops.size={below or patch}."
        )


def _body(settings: TransformerSettings) -> Any:
    """Create the network, load its weights, and keep the first blocks alone."""
    import timm
    from timm.models.vision_transformer import VisionTransformer

    name = settings.name
    changes = {"embed_dim": settings.width, "num_heads": settings.heads}
    given: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
    try:
        body = timm.create_model(
            name, pretrained=False, num_classes=0, dynamic_img_size=True, **given
        )
    except (TypeError, AssertionError) as error:
        raise SettingsError(
            f"Transformer '{name}' cannot be made with {given or 'crops of any size'} ({error}). "
            "Choose a vision transformer of timm, such as vit_tiny_patch16_224, and a width that "
            "its heads divide."
        ) from error
    if not isinstance(body, VisionTransformer):
        raise SettingsError(
            f"'{name}' is a {type(body).__name__}, whose blocks give no maps of one size. Choose a "
            "vision transformer of timm, such as vit_tiny_patch16_224."
        )
    depth = len(body.blocks)
    if settings.blocks > depth:
        raise SettingsError(
            f"blocks: expected at most the {depth} that '{name}' has, found {settings.blocks}."
        )
    body.prune_intermediate_layers(list(range(settings.blocks)), prune_norm=True)
    if settings.weights != "none":
        load_backbone(body, settings.trained(), f"transformer '{name}'")
    return body
