import re

import pytest

from hmtnet.data.facts import Facts
from hmtnet.data.readers.layout import Layout, Lines
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError

LAYOUT = Layout(
    facts=Facts(
        title="Any",
        images=2,
        range=(0, 1),
        higher_is_better=True,
        licence="",
        citation="",
        obtained="",
    ),
    labels=(Lines(files=("labels.txt",), columns=("name", "mos")),),
    name=re.compile(r"(?P<reference>\w+)_x(?P<scale>[\d.]+)\.png"),
    hint="",
)


@pytest.mark.parametrize(("scale", "read"), [("2", "2"), ("1.5", "1.5"), ("3.0", "3")])
def test_a_name_may_tell_a_fractional_scale_factor(tmp_path, scale, read):
    (tmp_path / "labels.txt").write_text(f"sea_x{scale}.png 0.5\n")
    settings = DataSettings(reader="any", root=str(tmp_path), labels_only=True)
    assert repr(LAYOUT.read(settings).records[0].scale) == read


@pytest.mark.parametrize("scale", ["0", "1.5.2", "."])
def test_a_name_that_tells_no_scale_factor_is_malformed(tmp_path, scale):
    (tmp_path / "labels.txt").write_text(f"sea_x{scale}.png 0.5\n")
    with pytest.raises(DataError, match="1 malformed names in the labels"):
        LAYOUT.read(DataSettings(reader="any", root=str(tmp_path), labels_only=True))
