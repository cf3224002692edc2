"""The ridge baseline: frozen features and a linear map, solved in closed form."""

from hmtnet.models.ridge.network import RidgeNet, RidgeSettings

__all__ = ["RidgeNet", "RidgeSettings"]
