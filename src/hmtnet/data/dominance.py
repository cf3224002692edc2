"""Contents that fill most of a subset, so that its numbers are about them."""

import logging
from collections import Counter

from hmtnet.data.labels import Labels
from hmtnet.data.split import Split


def tell_dominating(labels: Labels, split: Split) -> None:
    """Warn of each content that more than half of a subset's images show."""
    for subset, rows in split.subsets.items():
        counts = Counter(labels.content[row] for row in rows)
        content, images = counts.most_common(1)[0] if counts else (None, 0)
        if content is not None and 2 * images > len(rows):
            example = min(
                labels.records[row].image for row in rows if labels.content[row] == content
            )
            logging.getLogger(__name__).warning(
                "%d of the %d %s images of '%s' show one content, that of '%s': numbers on them "
                "are about little else. Check the column or the names that tell the reference.",
                *(images, len(rows), subset, labels.name, example),
            )
