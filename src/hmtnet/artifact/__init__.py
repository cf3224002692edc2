"""What a finished stage leaves: weights with their description, and predictions.

- ``artifact.store``: ``save``, ``load``, ``read_meta``, ``load_strictly``.
- ``artifact.description``: ``read_description``, ``write_description``, without torch.
- ``artifact.thumbnails``: small pictures of test images, beside the runs of a split.
- ``artifact.curves``: learning curves, one row per epoch.
- ``artifact.scenes``: what it has seen, as tiny pictures, so that near duplicates are known.
- ``artifact.shipped``: ``find_model``, by path or name.
- ``artifact.predictions``: ``Predictions``, ``read``, ``write``.

Nothing is imported here, because a report reads predictions and has no need of torch.
"""
