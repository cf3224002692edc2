"""AHIQ: an image beside its reference, by attention and convolution at once."""

from hmtnet.models.ahiq.network import AHIQ, AHIQSettings

__all__ = ["AHIQ", "AHIQSettings"]
