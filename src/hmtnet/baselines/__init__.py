"""Predictors that never look at a pixel: what a score must be compared with."""
