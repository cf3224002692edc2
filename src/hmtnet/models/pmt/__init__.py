"""PMT-IQA: a class of quality first, a score later, from features of four scales."""

from hmtnet.models.pmt.network import PMTNet, PMTSettings

__all__ = ["PMTNet", "PMTSettings"]
