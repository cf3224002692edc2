"""HMTNet: grading and SFEN, chained and then trained jointly."""

from hmtnet.models.hmtnet.network import HMTNet

__all__ = ["HMTNet"]
