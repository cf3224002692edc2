"""From folders of images and scores to batches: records, manifests, splits, grades, pixels."""
