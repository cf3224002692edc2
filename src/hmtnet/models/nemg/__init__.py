"""NEMG: a score from error maps that are predicted without the reference."""

from hmtnet.models.nemg.network import NEMGNet, NEMGSettings

__all__ = ["NEMGNet", "NEMGSettings"]
