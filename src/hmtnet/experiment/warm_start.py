"""A finished stage whose weights, and nothing else, the stages of a chain begin with.

Unlike an upstream stage it brings no grades: they are cut anew from the training images. A stage
takes those parts that it has in common with the finished one and that no upstream stage gives.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from hmtnet.artifact.store import load_strictly
from hmtnet.errors import SettingsError
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import unweighted
from hmtnet.scoring.restore import Restored
from hmtnet.settings import in_force, plain


@dataclass(frozen=True)
class WarmStart:
    """What ``start`` gives.

    Attributes:
        where: As it was told, for messages.
        restored: The finished stage.
    """

    where: str
    restored: Restored

    @cached_property
    def digest(self) -> str:
        """What its weights are, 64 hexadecimal digits; where they lie does not count."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.restored.network.own_state().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Say which stage it is, for ``stage.json``."""
        meta = self.restored.meta
        named = {name: meta[name] for name in ("system", "stage", "key")}
        return {**named, "dataset": meta["dataset"]["name"], "weights": self.digest}

    def fill(self, network: QualityNetwork, settings: FitSettings) -> bool:
        """Give a network, in place, the weights of the parts that both have.

        They count as loaded, and learn at ``optimizer.loaded_lr``. Where that is 0 only what would
        be frozen without them is: something must be left to learn.

        Args:
            network: As its stage has made it; what came from upstream is left alone.
            settings: Of its stage.

        Returns:
            Whether there was a part to fill.

        Raises:
            ArtifactError: Tensors differ.
            SettingsError: The parts are built otherwise, or know another number of grades.
        """
        theirs = self.restored.network.parts()
        ours = {} if settings.closed_form else network.parts()
        shared = [name for name, part in ours.items() if name in theirs and not part.loaded]
        for name in shared:
            part, source = ours[name], theirs[name]
            self._check_same(name, part, source)
            own = {k: v for k, v in source.own_state().items() if k not in source.from_labels}
            load_strictly(part, {**part.state_dict(), **own}, f"start={self.where} ({name})")
            if settings.optimizer.loaded_lr > 0:
                part.mark_loaded()
        return bool(shared)

    def check_grades(self, count: int) -> None:
        """Check that as many grades are asked for as the finished stage knows.

        Raises:
            SettingsError: They are not.
        """
        found = self.restored.grades.count
        if self.restored.network.graded and found != count:
            raise SettingsError(
                f"start={self.where} was trained with {found} grades, and system.grades.count is "
                f"{count}. Make them equal."
            )

    def _check_same(self, name: str, part: nn.Module, source: nn.Module) -> None:
        wanted, found = (
            plain(in_force(unweighted(network.settings))) if hasattr(network, "settings") else None
            for network in (part, source)
        )
        if wanted == found:
            return
        differences = _differences(wanted, found, "")
        raise SettingsError(
            f"start={self.where}: its {name} is built otherwise than the settings say: "
            f"{'; '.join(differences)}. Give its settings, as in size=<the one it was trained at>, "
            "or start from another stage."
        )


def _differences(wanted: Any, found: Any, where: str) -> list[str]:
    """List the settings that differ, by their dotted names."""
    if not (isinstance(wanted, dict) and isinstance(found, dict)):
        return [f"{where} is {found} there, {wanted} here"] if wanted != found else []
    names = sorted({*wanted, *found})
    return [
        line
        for name in names
        for line in _differences(
            wanted.get(name), found.get(name), f"{where}.{name}" if where else name
        )
    ]
