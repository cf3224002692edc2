import pytest

from hmtnet.data.readers import read_labels
from hmtnet.data.readers.sriqa_bench import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

SCENES = ("online50", "srtest1", "srtest11")
METHODS = {"Original": None, "SeeSRx4": 4, "SwinIRx4": 4}
SCORES = {
    f"{scene}_{method}.png": score
    for i, scene in enumerate(SCENES)
    # As shipped: the best of a scene may exceed 100 by its last digit.
    for method, score in zip(METHODS, (20.5 + i, 100.00000000000001, 0.0), strict=True)
}


@pytest.fixture
def make_sriqa(tmp_path, noise):
    """Make a folder in the layout of SRIQA-Bench: 3 scenes, the original and two methods."""

    def make(root=tmp_path / "sriqa", *, kind="list", separator=",", flat=False, suffix=".png"):
        for i, name in enumerate(SCORES):
            method = name.split("_")[1][:-4]
            path = root / "images" / ("" if flat else method) / name
            noise(path.with_suffix(suffix), i)
        if kind == "list":
            lines = [f"{n.split('_')[0]}_Original.png {n} {s!r}" for n, s in SCORES.items()]
            (root / "SRIQA-Bench_test_all.txt").write_text("\n".join(lines))
        else:
            (root / "MOS").mkdir(parents=True)
            for scene in SCENES:
                lines = [
                    f"{name}{separator}{score!r}\r\n"
                    for name, score in SCORES.items()
                    if name.startswith(scene + "_")
                ]
                (root / "MOS" / f"{scene}.txt").write_bytes("".join(lines).encode())
        return root

    return make


def read_sriqa(root, **options):
    return read_labels(DataSettings(reader="sriqa_bench", root=str(root), **options))


@pytest.mark.parametrize(
    "variant",
    [{}, {"flat": True}, {"kind": "MOS"}, {"kind": "MOS", "separator": " "}],
)
def test_the_official_layout_is_read_whole(make_sriqa, variant):
    labels = read_sriqa(make_sriqa(**variant))
    found = {record.image.split("/")[-1]: record for record in labels.records}
    assert set(found) == set(SCORES) and len(labels) == 9
    for name, score in SCORES.items():
        record = found[name]
        scene, method = name[:-4].split("_")
        folder = "images" if variant.get("flat") else f"images/{method}"
        assert record.image == f"{folder}/{name}" and record.mos == score
        assert record.reference == scene and record.scale == METHODS[method]
        assert record.method == method.removesuffix("x4")
        assert (
            record.reference_image == f"{folder.replace(method, 'Original')}/{scene}_Original.png"
        )
    # The last digit beyond 100 is neither refused nor kept in unit scores.
    assert labels.mos.max() > 100 and labels.unit_mos.max() == 1.0
    assert labels.facts is FACTS


def test_labels_alone_need_no_images(make_sriqa, tmp_path):
    text = (make_sriqa() / "SRIQA-Bench_test_all.txt").read_bytes()
    root = tmp_path / "alone"
    root.mkdir()
    (root / "SRIQA-Bench_test_all.txt").write_bytes(text.replace(b"\n", b"\r\n"))
    labels = read_sriqa(root, labels_only=True)
    assert {record.image: record.mos for record in labels.records} == SCORES
    assert all(record.reference_image is None for record in labels.records)


def test_other_containers_are_found(make_sriqa):
    record = read_sriqa(make_sriqa(suffix=".webp")).records[0]
    assert record.image == "images/Original/online50_Original.webp"


def test_missing_unlabelled_and_repeated_images(make_sriqa, noise):
    root = make_sriqa()
    (root / "images" / "Original" / "srtest1_Original.png").unlink()
    noise(root / "images" / "SeeSRx4" / "srtest2_SeeSRx4.png")
    noise(root / "images" / "other" / "online50_SeeSRx4.bmp")
    path = root / "SRIQA-Bench_test_all.txt"
    path.write_text(path.read_text() + "\nonline50_Original.png ONLINE50_SeeSRx4.png 3")
    with pytest.raises(DataError) as error:
        read_sriqa(root)
    message = str(error.value)
    assert "1 labels without an image (srtest1_Original.png)" in message
    assert "1 originals without an image (srtest1_Original.png)" in message
    assert "1 images without a label (images/SeeSRx4/srtest2_SeeSRx4.png)" in message
    assert "1 images present more than once (images/SeeSRx4/online50_SeeSRx4.png and" in message
    assert "names with more than one label (line 10: ONLINE50_SeeSRx4.png)" in message


def test_malformed_lines_and_names(make_sriqa):
    root = make_sriqa()
    (root / "SRIQA-Bench_test_all.txt").write_text(
        "online50_Original.png online50_SeeSRx4.png high\nonline50.png 5\n"
        "srtest1_Original.png srtest11_SeeSRx4.png 5\nsrtest1_Original.png srtest1.png 5\n"
    )
    with pytest.raises(DataError) as error:
        read_sriqa(root)
    message = str(error.value)
    assert "2 malformed label lines (line 1: " in message and "line 2: 'online50.png 5')" in message
    assert "line 3: 'srtest11_SeeSRx4.png' of 'srtest1_Original.png'" in message
    assert "line 4: 'srtest1.png' of 'srtest1_Original.png'" in message


def test_a_score_beyond_the_scale(make_sriqa):
    root = make_sriqa()
    path = root / "SRIQA-Bench_test_all.txt"
    path.write_text(path.read_text().replace("20.5", "100.5"))
    with pytest.raises(DataError, match=r"outside the declared range 0 to 100: .*100\.5"):
        read_sriqa(root)


def test_a_wrong_folder_names_the_right_one(make_sriqa, tmp_path):
    make_sriqa(tmp_path / "outer" / "SRIQA-Bench")
    with pytest.raises(DataError, match=r"Did you mean '.*outer/SRIQA-Bench'\?"):
        read_sriqa(tmp_path / "outer")


def test_settings_that_contradict_the_layout_are_refused(make_sriqa):
    with pytest.raises(SettingsError, match=r"data\.table='a\.mat'.*no use for it"):
        read_sriqa(make_sriqa(), table="a.mat")
