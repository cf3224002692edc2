"""A predictor that looks at pixels and has never learned to: how sharp is the image?

A network that stays below it has not earned its keep: on people's choices among four SR networks it
ranks the versions of an image with an SRCC of .59.
"""

from collections.abc import Sequence

import numpy as np

from hmtnet.baselines.labels import Baseline, Labelled
from hmtnet.data.labels import FloatArray
from hmtnet.metrics.correlation import is_constant

SHARPNESS = "sharpness"
EXPLANATION = (
    "the variance of the Laplacian of the whole image's luminance, as a logarithm; training images "
    "give the line from it to MOS, and so its direction"
)


def sharpness(images: Labelled, train: Sequence[int], variance: FloatArray) -> Baseline:
    """Predict MOS by a line over the logarithm of the Laplacian's variance.

    The line, of least squares on the training images, gives the unit and the direction; the order
    of images is that of the variance or its reverse.

    Args:
        images: All images, those to train on and those to predict.
        train: Rows of the training images; the MOS of others is not looked at.
        variance: (N,) of each image, 0 or above; NaN of images that are not asked for.
    """
    rows = np.asarray(train, dtype=np.int64)
    x, mos = np.log1p(variance), images.mos
    centred = x[rows] - x[rows].mean() if len(rows) else x[rows]
    source = np.zeros(len(mos), dtype=np.int64)
    reason = "" if len(rows) else "not all training images are known"
    if not reason and is_constant(x[rows]):
        reason = "all training images are equally sharp"
    if reason:
        return Baseline(SHARPNESS, EXPLANATION, (), None, source, reason)
    slope = float(centred @ (mos[rows] - mos[rows].mean()) / (centred @ centred))
    scores = mos[rows].mean() + slope * (x - x[rows].mean())
    return Baseline(SHARPNESS, EXPLANATION, (), scores, source)
