"""From a trained artifact to scores, without a trainer."""
