"""The authors' checkpoint: their names in ours, and what its scores mean."""

from typing import Any

from torch import Tensor

from hmtnet.errors import SettingsError, WeightsError, listed
from hmtnet.models.ahiq.network import AHIQ
from hmtnet.models.released import Released

# Of our two trained parts: the key of their state in a checkpoint, and their layers as ours.
_PARTS = {
    "fuse": (
        "deform_net_model_state_dict",
        {
            "conv_offset": "offsets",
            "deform": "sample",
            "conv1.0": "reduce.0",
            "conv1.2": "reduce.2",
        },
    ),
    "head": (
        "regressor_model_state_dict",
        {
            "down_channel": "embed",
            "feat_smoothing.0": "compare.0",
            "feat_smoothing.2": "compare.2",
            "conv1.0": "compare.3",
            "conv_attent.0": "weight",
            "conv.0": "score",
        },
    ),
}


def read_released(network: AHIQ, checkpoint: Any) -> Released:
    """Bring the authors' checkpoint to our names.

    It holds the fusion and the head. Transformer and CNN are not in it: the network must have
    loaded its own.

    Args:
        network: What is to be filled.
        checkpoint: A mapping with the two state dicts; what lies beside them is left.

    Raises:
        SettingsError: Transformer or CNN have random weights.
        WeightsError: It is no such checkpoint.
    """
    if not (network.transformer.loaded and network.cnn.loaded):
        raise SettingsError(
            "The authors' checkpoint of AHIQ was trained on a transformer and a CNN with ImageNet "
            "weights, which it does not hold: expected weights for both, found none. Give "
            "size.backbone.weights and system.ahiq.network.transformer.weights: hub, or a file."
        )
    tensors: dict[str, Tensor] = {}
    for part, (key, names) in _PARTS.items():
        state = checkpoint.get(key) if isinstance(checkpoint, dict) else None
        if not isinstance(state, dict):
            found = listed(map(str, checkpoint)) if isinstance(checkpoint, dict) else "no mapping"
            raise WeightsError(
                f"This is no checkpoint of AHIQ's authors: expected the keys "
                f"{' and '.join(key for key, _ in _PARTS.values())}, found {found}."
            )
        for name, tensor in state.items():
            layer, _, kind = name.rpartition(".")
            tensors[f"{part}.{names.get(layer, layer)}.{kind}"] = tensor
    return Released(
        tensors=tensors,
        dataset="pipal",
        seen=("pipal", "pipal_sr"),
        label_kind="human",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        unit="PIPAL's MOS: 0 is the worst of the labels it was trained on, 1 the best",
    )
