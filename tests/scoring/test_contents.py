"""Whose images show the same content."""

from pathlib import Path

import numpy as np
import pytest

from hmtnet.data.labels import Labels
from hmtnet.data.record import Record
from hmtnet.errors import DataError
from hmtnet.scoring.contents import contents_of, match_contents, names_of
from hmtnet.scoring.listing import Listed
from hmtnet.scoring.side_by_side import where_they_differ


def folder(*names):
    return [Listed(Path("x") / name, Path(name)) for name in names]


def test_images_are_matched_by_path_and_what_is_alone_is_told():
    found = match_contents(
        {"a": folder("1.png", "sub/2.png", "3.png"), "b": folder("sub/2.webp", "1.png")}
    )
    assert found.contents == found.groups == ("1", "sub/2")
    assert [cell[0].inner.name for cell in found.images["b"]] == ["1.png", "2.webp"]
    assert found.notes == ("a: 1 of 3 images are left out, as not every method has them (3).",)


def test_an_end_that_all_names_of_a_folder_share_is_no_content():
    found = match_contents(
        {"a": folder("0801_x4_out.png", "0811_x4_out.png"), "b": folder("0801.png", "0811.png")}
    )
    assert found.contents == ("0801", "0811")
    assert found.notes == ("a: “_x4_out” at the end of its names was left out.",)
    # 1 is a digit of the photograph's number, and no separator stands before it.
    with pytest.raises(DataError, match="No content is in all"):
        match_contents({"a": folder("01.png", "11.png"), "b": folder("0.png", "1a.png")})


def test_two_images_of_one_content_are_refused():
    with pytest.raises(DataError, match="two images of one content"):
        match_contents({"a": folder("1.png", "1.jpg"), "b": folder("1.png")})


def test_folders_are_named_by_what_tells_them_apart():
    assert names_of([Path("x/a"), Path("y/b")]) == ["a", "b"]
    assert names_of([Path("a/x4"), Path("b/x4")]) == ["a/x4", "b/x4"]
    with pytest.raises(DataError, match="given twice"):
        names_of([Path("a"), Path("a/")])


def labels(*rows):
    records = tuple(
        Record(image=f"{i}.png", mos=mos, reference=reference, method=method, scale=scale)
        for i, (method, reference, scale, mos) in enumerate(rows)
    )
    return Labels(
        name="set",
        root=Path("/data"),
        records=records,
        label_kind="human",
        mos_range=(1, 5),
        higher_is_better=False,
    )


def test_a_datasets_methods_are_matched_by_reference_and_scale():
    found = contents_of(
        labels(
            ("a", "r", 2, 1),
            ("a", "r", 4, 2),
            ("b", "r", 2, 3),
            ("b", "r", 2, 5),
            ("b", "r", 4, 4),
            ("a", "s", 2, 1),
            (None, "r", 2, 1),
            ("c", None, 2, 1),
        )
    )
    assert found.contents == ("r ×2", "r ×4") and found.groups == ("r", "r")
    assert found.mos == {"a": (1.0, 0.75), "b": (0.25, 0.25)}  # 1 is best here
    assert [len(cell) for cell in found.images["b"]] == [2, 1]
    assert "2 of 3 contents" in found.notes[0] and "their mean" in found.notes[1]


def test_methods_that_cannot_be_compared_are_named():
    table = labels(("a", "r", 2, 1), ("b", "s", 2, 1))
    with pytest.raises(DataError, match=r"no SR method z.*--methods"):
        contents_of(table, ["a", "z"])
    with pytest.raises(DataError, match="No content"):
        contents_of(table)
    with pytest.raises(DataError, match="needs two"):
        contents_of(table, ["a"])


def test_the_part_is_cut_where_images_differ():
    images = np.zeros((3, 60, 90, 3), np.uint8)
    images[1, 40:50, 70:80] = 255
    parts = where_they_differ(list(images), 20)
    assert [part.shape for part in parts] == [(20, 20, 3)] * 3
    assert parts[1].sum() == images[1].sum() and parts[0].sum() == 0
    # Another scale factor: at the same share of height and width.
    large = np.zeros((120, 180, 3), np.uint8)
    large[80:100, 140:160] = 200
    cut = where_they_differ([images[0], images[1], large], 40)
    assert cut[2].shape == (40, 40, 3) and cut[2].sum() == large.sum()
    assert where_they_differ([images[0][:10], images[1][:8]], 20)[0].shape == (10, 20, 3)
