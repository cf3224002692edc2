"""hmtnet: judging super-resolved images without a reference, with numbers that can be trusted."""

__version__ = "0.1.0"
