"""Small pictures of the test images, once per split, for the reports that show cases."""

from collections.abc import Sequence

from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name, write_thumbnail
from hmtnet.data.images import ImageStore
from hmtnet.data.manifest import Manifest
from hmtnet.data.threads import map_images
from hmtnet.storage.directory import RunDirectory


def write_thumbnails(
    directory: RunDirectory, manifest: Manifest, images: ImageStore, rows: Sequence[int]
) -> None:
    """Write the thumbnails that are missing beside the run directories of one split.

    Args:
        directory: One of them.
        manifest: The dataset.
        images: Decoded images of these rows.
        rows: The test images.
    """
    folder = directory.path.parent / THUMBNAILS
    row_of = {manifest.records[row].image: row for row in rows}
    missing = [name for name in row_of if not (folder / thumbnail_name(name)).exists()]
    map_images(
        lambda name: write_thumbnail(folder / thumbnail_name(name), images[row_of[name]]),
        missing,
        "thumbnails",
        show_above=500,
    )
