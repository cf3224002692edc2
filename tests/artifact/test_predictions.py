import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.artifact import predictions as module
from hmtnet.artifact.predictions import Predictions
from hmtnet.errors import ArtifactError

HEADER = "image,subset,mos,mos_std,score,grade,true_grade,p_1,p_2,reference,method,scale\n"


def make(n=3, k=2, **changes):
    generator = np.random.default_rng(0)
    probabilities = generator.random((n, k))
    columns = {
        "image": tuple(f"images/{i}.png" for i in range(n)),
        "subset": tuple(("train", "val", "test")[i % 3] for i in range(n)),
        "mos": generator.random(n),
        "mos_std": np.full(n, np.nan),
        "score": generator.random(n),
        "grade": np.full(n, k - 1, dtype=np.int64),
        "true_grade": np.full(n, -1, dtype=np.int64),
        "probabilities": probabilities,
        "reference": ("content",) * n,
        "method": (None,) * n,
        "scale": (4,) * n,
    }
    return Predictions(**{**columns, **changes})


def assert_equal(a, b):
    for field in dataclasses.fields(Predictions):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, tuple):
            assert left == right, field.name
        else:
            assert left.dtype == right.dtype and left.shape == right.shape, field.name
            np.testing.assert_array_equal(left, right, err_msg=field.name)  # NaN equals NaN


def test_the_file_is_what_the_format_says(tmp_path):
    predictions = make(
        n=2,
        mos=np.array([0.1, 1.0]),
        mos_std=np.array([np.nan, 0.25]),
        score=np.array([1 / 3, -2e-7]),
        grade=np.array([0, -1]),
        true_grade=np.array([1, 0]),
        probabilities=np.array([[0.75, 0.25], [0.5, 0.5]]),
        method=("bicubic", None),
        scale=(None, 3),
    )
    module.write(tmp_path / "predictions.csv", predictions)
    assert (tmp_path / "predictions.csv").read_bytes().decode() == HEADER + (
        "images/0.png,train,0.1,,0.3333333333333333,1,2,0.75,0.25,content,bicubic,\n"
        "images/1.png,val,1.0,0.25,-2e-07,,1,0.5,0.5,content,,3\n"
    )


names = st.text(
    st.characters(codec="utf-8", exclude_characters="\r") | st.sampled_from(',"\n\ufeff é中'),
    min_size=1,
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reading_returns_what_was_written_to_the_last_bit(tmp_path_factory, data):
    images = tuple(data.draw(st.lists(names, max_size=5, unique=True)))
    n, k = len(images), data.draw(st.integers(0, 4))

    def column(strategy):
        return data.draw(st.lists(strategy, min_size=n, max_size=n))

    probabilities = [column(numbers) for _ in range(k)]
    predictions = Predictions(
        image=images,
        subset=tuple(column(st.sampled_from(module.SUBSETS))),
        mos=np.array(column(numbers), dtype=np.float64),
        mos_std=np.array(column(st.just(np.nan) | st.floats(0, 1e300)), dtype=np.float64),
        score=np.array(column(numbers), dtype=np.float64),
        grade=np.array(column(st.integers(-1, k - 1 if k else 9)), dtype=np.int64),
        true_grade=np.array(column(st.integers(-1, k - 1 if k else 9)), dtype=np.int64),
        probabilities=np.array(probabilities, dtype=np.float64).reshape(k, n).T,
        reference=tuple(column(st.none() | names)),
        method=tuple(column(st.none() | names)),
        scale=tuple(column(st.none() | st.integers(1, 16) | st.sampled_from([1.5, 2.25]))),
    )
    path = tmp_path_factory.mktemp("round") / "predictions.csv"
    module.write(path, predictions)
    assert_equal(module.read(path), predictions)


def test_numbers_of_any_size_survive(tmp_path):
    score = np.array([5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2, 2**53 + 2.0])
    module.write(tmp_path / "p.csv", make(n=5, score=score))
    assert module.read(tmp_path / "p.csv").score.tobytes() == score.tobytes()


def test_select_keeps_order_and_subsets_say_what_is_there():
    predictions = make(n=7)
    assert predictions.subsets == ("train", "val", "test")
    val = predictions.select("val")
    assert val.image == ("images/1.png", "images/4.png")
    np.testing.assert_array_equal(val.score, predictions.score[[1, 4]])
    np.testing.assert_array_equal(val.probabilities, predictions.probabilities[[1, 4]])
    assert val.subsets == ("val",)
    assert len(val.select("test")) == 0


def test_concatenate_undoes_select():
    predictions = make(n=3)
    parts = [predictions.select(name) for name in predictions.subsets]
    assert_equal(Predictions.concatenate(parts), predictions)


def test_concatenate_never_counts_an_image_twice_nor_mixes_k():
    with pytest.raises(ArtifactError, match=r"more than once \(images/0.png"):
        Predictions.concatenate([make(), make()])
    other = make(k=5, image=("a", "b", "c"))
    with pytest.raises(ArtifactError, match="2, 5 grade probabilities"):
        Predictions.concatenate([make(k=2), other])
    with pytest.raises(ValueError, match="at least one"):
        Predictions.concatenate([])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": np.array([0.0, np.nan, 1.0])}, r"score of 1 of 3 .*images/1.png"),
        ({"mos": np.array([0.0, np.inf, -np.inf])}, r"mos of 2 of 3 "),
        ({"mos_std": np.array([0.0, np.nan, -1.0])}, "mos_std"),
        ({"probabilities": np.full((3, 2), np.nan)}, "probabilities"),
        ({"score": np.zeros(2)}, "score: expected 3 rows, found 2"),
        ({"score": np.zeros((3, 1))}, r"score: expected float64 .* shape \(3, 1\)"),
        ({"score": np.zeros(3, dtype=np.float32)}, "found float32"),
        ({"grade": np.zeros(3)}, "grade: expected int64"),
        ({"grade": np.array([0, 1, 2])}, r"grade: expected -1 … 1 .* found 0 … 2"),
        ({"true_grade": np.array([0, -2, 0])}, "true_grade: expected -1 … 1"),
        ({"probabilities": np.zeros(3)}, "with 2 dimension"),
        ({"method": ("a", "b")}, "method: expected 3 rows, found 2"),
        ({"subset": ("train", "valid", "test")}, "found valid"),
        ({"image": ("a", "b", "a")}, r"1 images occur more than once \(a\)"),
        ({"image": ("a", "", "b")}, "image: '' is no usable name"),
        ({"reference": ("a", "", None)}, "reference: '' is no usable name"),
        ({"method": ("a\rb", None, None)}, "carriage return"),
        ({"image": ("a", "b", "\udcff")}, "valid Unicode"),
        ({"scale": (2, 2.0, None)}, "scale: expected .* found 2.0"),
        ({"scale": (2, 0, None)}, "found 0"),
        ({"scale": (2, -1.5, None)}, "found -1.5"),
        ({"scale": (2, float("nan"), None)}, "found nan"),
        ({"scale": (2, "2", None)}, "found '2'"),
    ],
)
def test_construction_refuses(changes, message):
    with pytest.raises(ArtifactError, match=message):
        make(**changes)


GOOD = "a,train,0.5,,0.5,1,1,0.5,0.5,r,m,2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns image, subset, mos, mos_std, score"),
        (HEADER.replace("true_grade,", "").replace(",scale", ""), "columns true_grade, scale"),
        (HEADER.replace("p_2", "p_3"), "expected the grade probabilities p_1, p_2, found p_1, p_3"),
        (HEADER.replace("scale", "method"), "lacks|more than once"),
        (HEADER + GOOD.replace(",0.5,,", ",0.5x,,"), r"row 2, column mos: .*'0.5x'"),
        (HEADER + GOOD + GOOD.replace("a,", "b,").replace(",,0.5", ",,nan"), "row 3, column score"),
        (HEADER + GOOD.replace(",,0.5", ",,inf"), "row 2, column score: .* finite .*'inf'"),
        (HEADER + GOOD.replace(",,0.5", ",,"), "row 2, column score: .* finite .*''"),
        (HEADER + GOOD.replace(",1,1,", ",0,1,"), "row 2, column grade: expected a grade 1"),
        (HEADER + GOOD.replace(",1,1,", ",1,3,"), "true_grade: expected -1 … 1"),
        (HEADER + GOOD.replace(",1,1,", ",1.0,1,"), "column grade"),
        (HEADER + GOOD.replace(",0.5,r", ",,r"), "row 2, column p_2"),
        (HEADER + GOOD.replace(",2\n", ",x2\n"), "row 2, column scale"),
        (HEADER + GOOD.replace(",2\n", "\n"), "row 2: expected 12 cells, found 11"),
        (HEADER + GOOD.replace(",2\n", ",2,9\n"), "row 2: expected 12 cells, found 13"),
        (HEADER + GOOD + GOOD, r"more than once \(a\)"),
        (HEADER + GOOD.replace("train", "Train"), "found Train"),
        (HEADER + '"a', "cannot be read as CSV"),
    ],
)
def test_reading_refuses_and_names_the_file_the_row_and_the_column(tmp_path, text, message):
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=message) as caught:
        module.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_file_of_other_bytes_are_clear_errors(tmp_path):
    with pytest.raises(ArtifactError, match=r"There is no file .*none.csv"):
        module.read(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + "é".encode("latin-1"))
    with pytest.raises(ArtifactError, match="UTF-8"):
        module.read(tmp_path / "latin.csv")


def test_a_spreadsheets_byte_order_mark_line_ends_and_extra_columns_are_read(tmp_path):
    text = HEADER.replace("\n", ",note\n") + GOOD.replace("\n", ",mine\n")
    (tmp_path / "p.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    read = module.read(tmp_path / "p.csv")
    assert read.image == ("a",) and read.probabilities.tolist() == [[0.5, 0.5]]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "predictions.csv"
    module.write(path, make())
    old = path.read_bytes()
    monkeypatch.setattr(module, "_grades", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        module.write(path, make(n=9))
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.csv"]


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"cannot be written to .*Check that the folder"):
        module.write(tmp_path / "file" / "predictions.csv", make())
