"""CNNIQA: one convolution over small patches, the first convolutional network for quality."""

from hmtnet.models.cnniqa.network import CNNIQANet, CNNIQASettings

__all__ = ["CNNIQANet", "CNNIQASettings"]
