"""The demo set: super-resolved photographs with a pseudo-MOS (not human), built on first use."""

from hmtnet.data.demo.recipe import Recipe, build, ensure

__all__ = ["Recipe", "build", "ensure"]
