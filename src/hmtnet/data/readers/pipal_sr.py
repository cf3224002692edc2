"""PIPAL as papers on super-resolution IQA use it: 5800 images of 50 references, MOS in [0, 1].

The folder is that of PIPAL (see ``pipal``); ``data.table`` names the published table
``PIPAL_SRsubset_meta.mat``, which selects the images, replaces their labels and has the stored
experiments. Training images that the table does not name are no fault.
"""

import dataclasses

from hmtnet.data.labels import Labels
from hmtnet.data.readers import pipal
from hmtnet.data.readers.assemble import Faults, fixed, labels_of, require
from hmtnet.data.readers.published import open_source
from hmtnet.data.readers.reader import Reader
from hmtnet.data.settings import DataSettings
from hmtnet.errors import SettingsError

FACTS = dataclasses.replace(
    pipal.FACTS,
    title="PIPAL SR subset",
    images=5800,
    references=50,
    range=(0.0, 1.0),
    mos=(0.0, 0.5628, 1.0),
    notes=(
        "The scores are PIPAL's Elo scores scaled to the range of these images: Elo = 952.0358 + "
        "883.9498 x score.",
        "The table has all 116 versions of its 50 references, in all seven classes of distortion, "
        "and so not only super-resolved images.",
    ),
)


def read(settings: DataSettings) -> Labels:
    """Read the published part of PIPAL.

    Args:
        settings: ``table`` must name the published table.

    Raises:
        DataError: An image is missing, or a name is repeated or malformed; everything is listed at
            once.
        SettingsError: A setting contradicts the layout, or no table is named.
    """
    settings.refuse_other_than(fixed(FACTS))
    root, table = open_source(settings, FACTS)
    if table is None:
        raise SettingsError(
            "The reader 'pipal_sr' takes images and labels from the published table; set "
            "data.table to PIPAL_SRsubset_meta.mat. For all of PIPAL, use data=pipal."
        )
    if not settings.labels_only:
        require(root, FACTS, {"images": pipal.TRAINING})
    faults = Faults(root, FACTS, pipal.HINT)
    images = pipal.training_images(settings, root, faults)
    pairs = pipal.records_of(settings, root, table.labels, images, faults)
    faults.check()
    published = table.published(
        [name for name, _ in pairs], [str(record.reference) for _, record in pairs]
    )
    records = [record for _, record in pairs]
    return labels_of(settings, FACTS, root, records, published=published)


READER = Reader(read, FACTS)
