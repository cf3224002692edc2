"""Parts of the training images, so that each can be judged by a network that has not seen it."""

from dataclasses import replace

from hmtnet.data.assign_groups import collect
from hmtnet.data.groups import contents_in_order
from hmtnet.data.labels import Labels
from hmtnet.data.split import Split, SplitSettings, members_digest


def divide(labels: Labels, split: Split, settings: SplitSettings, count: int) -> list[Split]:
    """Deal the training contents of a split into parts, and make a split for each.

    Its test images are the part, its training images all others that ``split`` trains on; so no
    training image shows what a test image shows. Validation stays as it is, and the test images of
    ``split`` are in none of them.

    Args:
        labels: The dataset.
        split: Who trains, validates and tests.
        settings: What ``split`` was made with; the seed of the draw is taken from it.
        count: How many parts, at least 2.

    Raises:
        DataError: There are fewer training contents than parts.
    """
    order, rows_of = contents_in_order(labels, settings, count, split.train)
    folds = []
    for i in range(count):
        part = collect(order[i::count], rows_of)
        rest = tuple(row for row in split.train if row not in set(part))
        digest = members_digest(labels, (rest, split.val, part))
        name = f"{split.id}-fold{i + 1}of{count}-{digest}"
        folds.append(replace(split, train=rest, test=part, id=name))
    return folds
