"""What `hmtnet data verify` finds in folders that are whole, spoilt, or repeat themselves."""

import shutil
from dataclasses import replace

import pytest
from PIL import Image

from hmtnet.data.facts import Facts
from hmtnet.data.readers import read, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.data.verify import Count, verify

IMAGE = "super-resolved_images/img02_4_21.bmp"
KNOWN = Facts(
    title="Tiny",
    images=12,
    references=3,
    methods=2,
    scales={2: 6, 4: 6},
    range=(0.0, 1.0),
    higher_is_better=True,
    mos=(0.1, 0.146, 0.21),
    licence="",
    citation="",
    obtained="",
    notes=("Reference 2 is blue.",),
)


@pytest.fixture
def root(make_qads):
    return make_qads()


def look(root, other=None, **changes):
    labels = read_labels(DataSettings(reader="qads", name="mine", root=str(root)))
    return verify(replace(labels, **changes), [] if other is None else [other])


def texts(found, level):
    return [finding.text for finding in found.findings if finding.level == level]


def test_a_sound_folder(root):
    found = look(root)
    assert found.sound and not texts(found, "fault") and not texts(found, "warning")
    numbers = {count.what: count.found for count in found.counts}
    assert numbers["images"] == 12 and numbers["references"] == numbers["reference images"] == 3
    assert numbers["images at ×2"] == numbers["images at ×4"] == 6 and numbers["methods"] == 2
    assert numbers["lowest MOS"] == 0.1 and numbers["highest MOS"] == pytest.approx(0.2, abs=0.02)
    assert "image sizes: 8×6 (12)" in texts(found, "note")


def test_known_numbers_are_compared(root):
    labels = read_labels(DataSettings(reader="qads", name="mine", root=str(root)))
    lowest, mean, highest = labels.mos.min(), labels.mos.mean(), labels.mos.max()
    known = replace(KNOWN, mos=(lowest, round(mean, 3), highest))
    found = look(root, facts=known)
    assert found.sound and "Reference 2 is blue." in texts(found, "note")
    wrong = replace(known, images=13, scales={2: 6, 4: 7}, mos=(lowest, mean + 0.1, highest))
    faults = texts(look(root, facts=wrong), "fault")
    assert len(faults) == 3
    assert "images: found 12, the dataset has 13" in faults
    assert "images at ×4: found 6, the dataset has 7" in faults
    assert any(fault.startswith("mean MOS: found") for fault in faults)


def test_a_count_must_be_equal_and_a_statistic_nearly():
    assert Count("images", 979, 980).differs and not Count("images", 980, 980).differs
    assert not Count("mean MOS", 0.50052, 0.5005).differs
    assert Count("mean MOS", 0.502, 0.5005).differs
    assert not Count("mean MOS", 0.502).differs


def test_images_that_cannot_be_used_are_all_named(root):
    whole = (root / IMAGE).read_bytes()
    (root / IMAGE).write_bytes(whole[: len(whole) // 2])
    (root / "super-resolved_images/img01_2_01.bmp").write_bytes(b"")
    outside = root.parent / "elsewhere.bmp"
    shutil.copy(root / "super-resolved_images/img03_2_01.bmp", outside)
    (root / "super-resolved_images/img03_2_01.bmp").unlink()
    (root / "super-resolved_images/img03_2_01.bmp").symlink_to(outside)
    found = look(root)
    faults = "\n".join(texts(found, "fault"))
    assert not found.sound and len(texts(found, "fault")) == 3
    assert IMAGE in faults and "img01_2_01.bmp" in faults
    assert "img03_2_01.bmp' leaves the dataset's folder" in faults


def test_identical_files_of_one_reference_are_a_warning_of_two_a_fault(root):
    folder = root / "super-resolved_images"
    shutil.copy(folder / "img01_2_01.bmp", folder / "img01_4_21.bmp")
    found = look(root)
    (warning,) = texts(found, "warning")
    assert found.sound and "img01_2_01.bmp = super-resolved_images/img01_4_21.bmp" in warning
    assert "MOS differ by up to 0.03" in warning
    shutil.copy(folder / "img01_2_01.bmp", folder / "img02_4_21.bmp")
    found = look(root)
    (fault,) = texts(found, "fault")
    assert not found.sound and "1 groups of identical files belong to different refer" in fault


def test_two_references_that_show_the_same(root):
    shutil.copy(root / "source_images/img01.bmp", root / "source_images/img03.bmp")
    (warning,) = texts(look(root), "warning")
    assert "1 groups of references show nearly the same: img01 ≈ img03" in warning


def test_images_of_another_size_than_their_reference(root):
    # Images measure 8 × 6; at scale 4 the reference may measure 12 × 6, at scale 2 not.
    Image.new("RGB", (12, 6)).save(root / "source_images/img02.bmp")
    (warning,) = texts(look(root), "warning")
    assert warning.startswith("2 images differ in size from their reference image by more than")
    assert "img02_2_01.bmp" in warning and "img02_4_01.bmp" not in warning


def test_left_out_images_are_told(root):
    found = look(root, left_out=("b.png (no score)",))
    assert texts(found, "warning") == ["left out: b.png (no score)"]


def test_content_shared_with_another_dataset(root, make_qads, tmp_path, noise):
    other = make_qads(tmp_path / "other")
    for number in (1, 2, 3):
        noise(other / f"source_images/img{number:02d}.bmp", 200 + number)
    shutil.copy(root / "source_images/img02.bmp", other / "source_images/img03.bmp")
    for i, path in enumerate(sorted((other / "super-resolved_images").iterdir())):
        noise(path, 300 + i)
    manifest = read(DataSettings(reader="qads", name="other", root=str(other)))
    (warning,) = texts(look(root, manifest), "warning")
    assert "1 contents are in 'other' too: img02" in warning
    noise(other / "source_images/img03.bmp", 400)
    manifest = read(DataSettings(reader="qads", name="other", root=str(other)))
    assert "no content is shared with 'other'" in texts(look(root, manifest), "note")


def test_repeated_scenes_of_images_without_a_reference(make_table, noise):
    root = make_table("image,mos\na.png,1\nb.png,2\n")
    shutil.copy(root / "a.png", root / "b.png")
    settings = DataSettings(
        reader="table", root=str(root), label_kind="human", range=(0.0, 10.0), direction="higher"
    )
    found = verify(read_labels(settings))
    assert len(found.scenes) == 2 and len(set(found.scenes)) == 1
    assert any(
        "2 of 2 images without a reference show one of 1 scenes" in t
        for t in texts(found, "warning")
    )
