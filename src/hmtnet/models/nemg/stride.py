"""A ResNet whose third stage is as fine as its second."""

from torch import nn

from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone


def keep_third_stage_fine(backbone: Backbone) -> None:
    """Take the stride out of a ResNet's third stage, in place; leave other backbones alone.

    Its weights fit as before, and its last two levels come at strides 8 and 16 instead of 16 and
    32: the coarsest then says where, on a grid of 14 × 14 for crops of 224.

    Args:
        backbone: Any; a ResNet is known by its stage ``layer3``.

    Raises:
        SettingsError: It is a ResNet that reduces its maps by other layers than convolution and
            pooling, as those with anti-aliasing do.
    """
    stage = getattr(backbone.body, "layer3", None)
    if stage is None:
        return
    for layer in stage.modules():
        stride = getattr(layer, "stride", 1)
        if stride in (1, (1, 1)) or not _is_leaf(layer):
            continue
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
        elif isinstance(layer, nn.AvgPool2d):
            layer.kernel_size, layer.stride, layer.padding = 1, 1, 0
        else:
            raise SettingsError(
                f"Backbone '{backbone.settings.name}' reduces its third stage by a "
                f"{type(layer).__name__}, whose stride cannot be taken out. Choose a ResNet "
                "without anti-aliasing, such as resnet50.a1_in1k."
            )
    *fine, third, fourth = backbone.reductions
    backbone.reductions = [*fine, third // 2, fourth // 2]


def _is_leaf(layer: nn.Module) -> bool:
    """Tell layers from blocks, which may only note the stride of a layer inside them."""
    return next(layer.children(), None) is None
