"""A dataset's labels as a CSV, in the form that the reader ``table`` reads."""

from hmtnet.data.manifest import Manifest
from hmtnet.files import csv_text

COLUMNS = ("image", "mos", "reference", "method", "scale", "reference_image", "mos_std", "split")


def to_csv(manifest: Manifest) -> str:
    """Return the records as CSV text: ``COLUMNS``, then content key and digest of the image.

    Scores are written to their last bit, so that what is read again is the same dataset.
    """
    rows = (
        (
            *(record.image, repr(record.mos), record.reference, record.method, record.scale),
            record.reference_image,
            None if record.mos_std is None else repr(record.mos_std),
            *(record.official, content, digest),
        )
        for record, content, digest in zip(
            manifest.records, manifest.content, manifest.digests, strict=True
        )
    )
    return csv_text((*COLUMNS, "content", "digest"), rows)
