"""Predictors that never look at a pixel: what a score must be compared with."""

from hmtnet.baselines.labels import Baseline, label_only, oracle_grade, scale_only

__all__ = ["Baseline", "label_only", "oracle_grade", "scale_only"]
