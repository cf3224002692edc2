"""The command for people who never train."""

import csv
import html
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import hmtnet as package
from hmtnet.artifact import shipped
from hmtnet.scoring.score_table import ScoreFile
from tests.fuzz.mutations import raw, spoilt


@pytest.fixture
def photos(tmp_path, tiny_root, monkeypatch):
    """Three images of different sizes, one of them below a folder, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    first, second = sorted((tiny_root / "super-resolved_images").glob("*.png"))[:2]
    shutil.copy(first, folder / "a.png")
    shutil.copy(second, folder / "sub" / "b.png")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 150, 3), np.uint8)).save(folder / "c.bmp")
    (folder / "bad.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def score(hmtnet, finished):
    """Score with the finished chain: ``score("photos", "--sort")``."""
    return lambda *words: hmtnet("score", *words, "--model", finished.stages["joint"])


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_scores_are_the_scorers_and_a_bad_file_is_told(score, photos, finished):
    done = score("photos", "--format", "csv")
    assert done.code == 2
    assert "hmtnet: not scored: photos/bad.png: Image 'photos/bad.png' cannot be" in done.err
    assert "hmtnet: 1 of 4 images not scored" in done.err
    scorer = package.load(finished.stages["joint"], "cpu")
    found = {row["image"]: row for row in read(done.out)}
    assert list(found) == ["photos/a.png", "photos/c.bmp", "photos/sub/b.png"]
    for image, row in found.items():
        verdict = scorer(image)
        assert float(row["score"]) == verdict.score and int(row["grade"]) == verdict.grade
        assert row["predicts"] == "MOS, 0 to 1, 1 is best"
    wide = found["photos/c.bmp"]
    assert (wide["width"], wide["height"]) == ("150", "40")
    assert float(wide["seen"]) == pytest.approx(48 / 150)  # one tile, in an image of lower height


def test_a_score_does_not_depend_on_the_files_beside_it(score, photos):
    (photos / "bad.png").unlink()
    together = {row["image"]: row for row in read(score("photos", "--format", "csv").out)}
    for image, row in together.items():
        assert read(score(image, "--format", "csv").out) == [row]


def test_the_table_is_for_people_and_sorted(score, photos):
    (photos / "bad.png").unlink()
    done = score("photos", "--sort")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["image", "score", "90", "%", "interval", "grade"]
    scores = [float(line.split()[1]) for line in lines[2:5]]
    assert scores == sorted(scores, reverse=True)
    assert "Score: MOS, 0 to 1, 1 is best." in done.out
    assert "The model looked at" in done.out


def test_json_has_the_failures_too(score, photos):
    done = score("photos", "--output", "new/scores.json")
    assert done.code == 2 and "scores of 3 images: new/scores.json" in done.out
    document = json.loads((photos.parent / "new/scores.json").read_text(encoding="utf-8"))
    assert len(document["images"]) == 3
    assert [failure["image"] for failure in document["failed"]] == ["photos/bad.png"]


def test_a_csv_is_gone_on_with(score, photos):
    path = photos.parent / "scores.csv"
    assert score("photos/a.png", "--output", path).code == 0
    text = path.read_text(encoding="utf-8")
    score_of_a = read(text)[0]["score"]
    path.write_text(text.replace(score_of_a, "0.125", 1) + "photos/c.b", encoding="utf-8")
    assert score("photos", "--output", path).code == 2
    rows = ScoreFile(path).rows
    assert rows["photos/a.png"].score == 0.125  # not scored again
    assert len(rows) == 3

    shutil.copy(photos / "sub" / "b.png", photos / "a.png")
    score("photos", "--output", path, "--sort")
    rows = ScoreFile(path).rows
    assert rows["photos/a.png"].score == rows["photos/sub/b.png"].score  # scored again
    assert len(read(path.read_text(encoding="utf-8"))) == 3
    units = [row.unit_score for row in rows.values()]
    assert units == sorted(units, reverse=True)


HOSTILE = "<img src=x onerror=alert(1)>.png"


def kept_scores(page):
    """Images and scores of a page, from what its rows are read back from."""
    found = re.findall(r'<tr data-kept="([^"]*)"', page.read_text(encoding="utf-8"))
    rows = [next(csv.reader([json.loads(html.unescape(kept))["row"]])) for kept in found]
    return {image: score for image, score, *_ in rows}


def test_a_page_is_ranked_holds_everything_and_is_gone_on_with(score, photos):
    shutil.copy(photos / "a.png", photos / HOSTILE)
    page = photos.parent / "page.html"
    done = score("photos", "--output", page)
    assert done.code == 2 and f"scores of 4 images: {page}" in done.out
    text = page.read_text(encoding="utf-8")
    assert "<img src=x" not in text and "photos/&lt;img src=x" in text
    assert re.findall(r'(?:src|href)="(?!data:|#)', text) == []
    assert "1 of 5 images have no score." in text
    assert "photos/<wbr>bad.<wbr>png</strong>: Image &#39;photos/bad.png&#39; cannot be" in text
    assert "the model, and what its scores are worth" in text.lower() and "1 worst" in text
    for title in ("grade evidence", "gradient", "saliency"):
        assert text.count(f"<strong>{title}</strong>: ") == 4
    scores = kept_scores(page)
    assert list(scores.values()) == sorted(scores.values(), key=float, reverse=True)
    whole = page.read_bytes()
    rows = [line for line in whole.splitlines(keepends=True) if line.startswith(b"<tr data-kept")]

    # Interrupted in the middle of the second row, and gone on with.
    second = whole.index(rows[1])
    page.write_bytes(whole[: second + 200])
    assert score("photos", "--output", page).code == 2
    assert page.read_bytes() == whole

    # What is there is taken as it is, and an image that has changed is scored again.
    best, value = next(iter(scores.items()))
    page.write_text(text.replace(f",{value},", ",0.125,", 1), encoding="utf-8")
    score("photos", "--output", page)
    assert kept_scores(page)[best] == "0.125"
    shutil.copy(photos / "sub" / "b.png", best)
    score("photos", "--output", page)
    assert kept_scores(page)[best] == scores["photos/sub/b.png"]


def test_what_is_no_page_of_scores_is_left_as_it_is(score, photos):
    page = photos.parent / "page.html"
    page.write_text("<p>mine</p>\n")
    done = score("photos", "--output", page)
    assert (done.code, done.out) == (2, "") and "something else than a page" in done.err
    assert page.read_text() == "<p>mine</p>\n"


def test_the_container_of_an_image_and_a_repetition_change_nothing(score, photos):
    (photos / "bad.png").unlink()
    with Image.open(photos / "c.bmp") as image:
        for name in ("d.png", "e.tif", "f.tiff"):
            image.save(photos / name)
    outputs = [score("photos", "--format", "csv").out for _ in range(3)]
    assert outputs[0] == outputs[1] == outputs[2]
    rows = {row["image"]: row["unit_score"] for row in read(outputs[0])}
    same = {rows[f"photos/{name}"] for name in ("c.bmp", "d.png", "e.tif", "f.tiff")}
    assert len(same) == 1 and len(rows) == 6


@pytest.mark.full
def test_two_thousand_damaged_files_are_told_and_the_others_scored(score, photos):
    (photos / "bad.png").unlink()
    alone = {row["image"]: row for row in read(score("photos", "--format", "csv").out)}
    with Image.open(photos / "a.png") as image:
        whole = image.convert("RGB").resize((60, 50))
    samples = {}
    for form in ("png", "jpeg", "webp", "bmp", "tiff", "gif", "jp2", "ppm"):
        stream = io.BytesIO()
        whole.save(stream, format={"jp2": "JPEG2000"}.get(form, form))
        samples[form] = raw(stream.getvalue())
    for number in range(2000):
        form, sample = list(samples.items())[number % len(samples)]
        (photos / f"m{number}.{form}").write_bytes(spoilt(sample, (number, number + 7, 3 * number)))
    done = score("photos", "--format", "csv")
    found = {row["image"]: row for row in read(done.out)}
    told = re.findall(r"^hmtnet: not scored: (photos/m\d+\.\w+): ", done.err, re.M)
    assert done.code == 2 and "Traceback" not in done.err
    assert len(told) == len({*told}) and not {*told} & {*found}
    assert len(told) + len(found) == 2000 + len(alone) and len(told) > 500
    assert {image: found[image] for image in alone} == alone


def test_another_model_scores_again(score, photos, hmtnet, finished):
    path = photos.parent / "scores.csv"
    score("photos/a.png", "--output", path)
    before = ScoreFile(path).rows["photos/a.png"]
    hmtnet("score", "photos/a.png", "--output", path, "--model", finished.stages["sfen"])
    after = ScoreFile(path).rows["photos/a.png"]
    assert len(read(path.read_text(encoding="utf-8"))) == 1
    assert after.model_digest != before.model_digest and after.score != before.score


def test_a_picture_per_image_which_is_no_input_the_next_time(score, photos):
    maps = photos / "why"
    for _ in range(2):
        score("photos", "--maps", maps, "--output", "scores.csv")
        drawn = sorted(path.relative_to(maps).as_posix() for path in maps.rglob("*.png"))
        assert drawn == ["a.png.png", "c.bmp.png", "sub/b.png.png"]
    (maps / "a.png.png").unlink()  # a picture that is missing is drawn, though the score is there
    score("photos/a.png", "--maps", maps, "--output", "scores.csv")
    assert (maps / "a.png.png").exists()


def test_pictures_of_one_name_are_refused(score, photos):
    shutil.copy(photos / "a.png", photos / "sub" / "a.png")
    done = score("photos/a.png", "photos/sub", "--maps", "why")
    assert (done.code, done.out) == (2, "") and "would both be why/a.png.png" in done.err
    assert not (photos.parent / "why").exists()


def test_nothing_is_written_where_nothing_has_a_score(score, photos):
    for name in ("scores.csv", "scores.json", "scores.txt", "page.html"):
        assert score("photos/bad.png", "--output", name).code == 2
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


def test_a_shipped_model_is_found_by_name_and_a_slip_meets_the_nearest(
    hmtnet, photos, finished, monkeypatch
):
    models = photos.parent / "models"
    shutil.copytree(finished.stages["joint"], models / "some-lite")
    (models / "some-lite" / "card.md").write_text("## For cats\n")
    monkeypatch.setattr(shipped, "MODELS", models)
    done = hmtnet("score", "photos/a.png", "--format", "csv", "--model", "some-lite")
    assert done.code == 0 and read(done.out)[0]["model"] == "some-lite"
    done = hmtnet("score", "photos/a.png", "--model", "some-light")
    assert (done.code, done.out) == (2, "") and "Did you mean 'some-lite'?" in done.err
    assert "some-lite  hmtnet  qads" in hmtnet("models").out
    card = hmtnet("info", "some-lite").out
    assert "MOS, 0 to 1, 1 is best" in card and card.endswith("## For cats\n")


def test_a_capped_model_is_refused_unless_asked_for(hmtnet, photos, finished, rewrite):
    model = shutil.copytree(finished.stages["joint"], photos.parent / "capped")
    rewrite(model, lambda document: document.update(debug={"steps": 1}))
    words = ("score", "photos/a.png", "--model", model)
    done = hmtnet(*words)
    assert (done.code, done.out) == (2, "") and "or give --capped" in done.err
    assert hmtnet(*words, "--capped").code == 0
    assert "its scores mean nothing" in hmtnet("info", model).out


def test_references_are_not_for_a_model_without(score, photos):
    done = score("photos/a.png", "--reference-dir", photos)
    assert (done.code, done.out) == (2, "") and "Leave out --reference-dir" in done.err


SLIPS = [
    (["nowhere"], "lead to no file"),
    (["photos", "--output", "photos/sub"], "is a folder"),
    (["photos", "--format", "html"], "A page needs a file"),
    (["photos", "--device", "warp"], "device: 'warp' cannot be used"),
]


@pytest.mark.parametrize(("words", "message"), SLIPS)
def test_a_slip_is_told_in_one_message(score, photos, words, message):
    done = score("--format", "csv", *words)
    assert (done.code, done.out) == (2, "") and message in done.err
    assert done.err.count("\n") == 1


def test_a_slip_is_answered_before_torch_is_loaded(tmp_path):
    code = (
        "import sys; from hmtnet.cli.main import main; main(['score', 'nowhere']); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0 and b"lead to no file" in done.stderr


def test_a_folder_of_pictures_that_cannot_be_written_is_told(score, photos):
    done = score("photos/a.png", "--maps", "photos/bad.png")
    assert done.code == 2 and "a.png.png cannot be written" in done.err


def test_an_interrupted_command_goes_on(hmtnet_process, score, photos, finished):
    for number in range(200):  # so many that the signal finds it at work
        shutil.copy(photos / "c.bmp", photos / f"c{number}.bmp")
    path = photos.parent / "scores.csv"
    process = hmtnet_process(
        *("score", photos, "--model", finished.stages["joint"], "--output", path)
    )
    while not path.exists() or path.read_text(encoding="utf-8").count("\n") < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130 and "the same command resumes" in told
    before = path.read_text(encoding="utf-8")
    assert 1 <= len(read(before)) < 203
    assert score(photos, "--output", path).code == 2
    assert path.read_text(encoding="utf-8").startswith(before)
    assert len(read(path.read_text(encoding="utf-8"))) == 203
