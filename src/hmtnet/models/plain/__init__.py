"""The plain baseline: a backbone, global pooling, a linear regressor."""

from hmtnet.models.plain.network import PlainNet, PlainSettings

__all__ = ["PlainNet", "PlainSettings"]
