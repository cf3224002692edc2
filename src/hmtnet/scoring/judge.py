"""A network's judgement of one image, from any number of tiles in bounded memory."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hmtnet.data.crops import Corner, Crops
from hmtnet.models.quality import Means, Prediction, QualityNetwork
from hmtnet.scoring.tiles import Tiles

See = Callable[[Sequence[Corner], dict[str, Tensor]], None]
"""What is told the maps of each group of tiles, with the tiles' corners."""


@torch.inference_mode()
def judge(network: QualityNetwork, tiles: Tiles, see: See) -> Means:
    """Judge an image by its tiles, in the passes that the network takes (``in_passes``).

    Each pass sees one group of tiles after the other. The means are taken at its end, of all tiles
    at once and in float64, so that the size of the groups does not show.

    Args:
        network: In evaluation mode, on the tiles' device.
        tiles: The image.
        see: Told the maps of each group of tiles.

    Returns:
        ``unit_score`` () and, of a network with grades, ``probabilities`` (K,), worst grade first;
        where the last pass judges several tiles one by one, also ``tile_spread`` (), the standard
        deviation of their unit scores. Float64, on the CPU.
    """
    spread: dict[str, Tensor] = {}

    def run_pass(
        ask: Callable[[Crops], Prediction | Means], together: bool = False
    ) -> dict[str, Tensor]:
        found = defaultdict(list)
        for corners, crops in tiles.together() if together else tiles.groups():
            said = ask(crops)
            if isinstance(said, Prediction):
                see(corners, said.maps)
                said = said.means()
            for name, values in said.items():
                found[name].append(values.cpu().double())
        joined = {name: torch.cat(parts) for name, parts in found.items()}
        spread.clear()
        if len(joined.get("unit_score", ())) > 1:
            spread["tile_spread"] = joined["unit_score"].std(correction=0)
        return {name: values.mean(0) for name, values in joined.items()}

    return {**network.in_passes(run_pass), **spread}
