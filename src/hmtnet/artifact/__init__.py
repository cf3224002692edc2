"""What a finished stage leaves: weights with their description, and predictions.

- ``artifact.store``: ``save``, ``load``, ``read_meta``, ``load_strictly``.
- ``artifact.predictions``: ``Predictions``, ``read``, ``write``.

Nothing is imported here, because a report reads predictions and has no need of torch.
"""
