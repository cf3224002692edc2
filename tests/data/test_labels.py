import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hmtnet.data.labels import Labels, Published
from hmtnet.data.record import Record
from hmtnet.errors import DataError


def labels_of(*records, mos_range=(0.0, 1.0), higher=True, **more):
    return Labels(
        name="set",
        root=Path("nowhere"),
        records=records,
        label_kind="human",
        mos_range=mos_range,
        higher_is_better=higher,
        **more,
    )


def test_labels_need_no_images():
    labels = labels_of(
        Record(image="1.png", mos=0.1, reference="sea", reference_image="sea.png"),
        Record(image="2.png", mos=0.2, reference="sea"),
        Record(image="3.png", mos=0.3, reference="sky"),
        Record(image="4.png", mos=0.4),
    )
    assert len(labels) == 4
    assert labels.identities == ("1.png", "2.png", "3.png", "4.png")
    assert labels.content == ("set/sea", "set/sea", "set/sky", None)
    assert labels.left_out == () and labels.facts is None and labels.published is None


def test_scores_cannot_be_changed_in_place():
    labels = labels_of(Record(image="1.png", mos=0.1))
    with pytest.raises(ValueError, match="read-only"):
        labels.mos[0] = 0.9
    with pytest.raises(dataclasses.FrozenInstanceError):
        labels.mos_range = (0.0, 2.0)


def test_scores_keep_their_order_beyond_the_range():
    labels = labels_of(Record(image="1.png", mos=20.0), mos_range=(0.0, 100.0), higher=False)
    assert labels.unit_mos.tolist() == [0.8]
    assert labels.to_unit([-10.0, 0.0, 100.0, 110.0]).tolist() == [1.1, 1.0, 0.0, -0.1]
    assert labels.from_unit([1.1, 0.8]) == pytest.approx([-10.0, 20.0])
    assert labels.to_unit(50).dtype == np.float64


def test_a_long_list_of_faults_is_cut_honestly():
    records = [Record(image=f"{i}.png", mos=2.0) for i in range(8)]
    with pytest.raises(DataError) as error:
        labels_of(*records)
    message = str(error.value)
    assert "Dataset 'set': of 8 images, 8 with a MOS outside the declared range 0 to 1" in message
    assert "4.png (2) and 3 more" in message
    assert message.endswith("Correct the labels, or the declared range (data.range).")


def test_a_published_table_numbers_every_record():
    records = [Record(image=f"{i}.png", mos=0.5) for i in range(3)]
    orders = np.array([[1, 2]])
    assert labels_of(*records, published=Published(np.array([1, 2, 2]), orders)).published
    with pytest.raises(DataError, match=r"3 records, but its published table .* references of 2"):
        labels_of(*records, published=Published(np.array([1, 2]), orders))
