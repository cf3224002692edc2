"""Where a stage's curves and results go besides the files of its run directory."""

from hmtnet.experiment.loggers.current import logging_to

__all__ = ["logging_to"]
