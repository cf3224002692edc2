import pytest

from hmtnet.report.numbers.published import published_rows
from hmtnet.report.numbers.sections import Grounds


def grounds(**changes):
    facts = {
        "dataset": "QADS",
        "fingerprint": "f",
        "label_kind": "human",
        "mos_range": (0.0, 1.0),
        "higher_is_better": True,
        "protocol": "content",
        "variant": "content",
        "leaky": False,
    }
    return Grounds(**(facts | changes))


def test_what_papers_report():
    qads = {row.name: row for row in published_rows(grounds())}
    ma = {row.name: row for row in published_rows(grounds(dataset="ma", protocol="published"))}
    assert len(qads) == len(ma) == 7
    row = qads["TADSRNet"]
    assert (row.srcc, row.krcc, row.plcc, row.rmse) == (0.972, 0.8616, 0.9742, 0.0671)
    row = ma["JNSFANet"]
    assert (row.srcc, row.krcc, row.plcc, row.rmse) == (0.9497, 0.8131, 0.9586, 0.7253)


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "demo"},
        {"protocol": "method"},
        {"protocol": "kfold"},
        {"protocol": "image", "leaky": True},
        {"label_kind": "pseudo"},
    ],
)
def test_where_they_would_mislead_they_are_not_shown(changes):
    assert published_rows(grounds(**changes)) == ()
