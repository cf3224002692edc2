"""SFEN: a score from texture, gradient and saliency, guided by a grade prior."""

from hmtnet.models.sfen.network import SFEN, Prior, SFENSettings

__all__ = ["SFEN", "Prior", "SFENSettings"]
