"""The real server on a free port, asked as browsers and as others would."""

import http.client
import io
import json
import re
import socket
import tempfile
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import uvicorn
from PIL import Image

from hmtnet.errors import DataError
from hmtnet.report.render.templating import render
from hmtnet.scoring.scorer import Scorer
from hmtnet.web import app
from hmtnet.web.desk import Desk
from hmtnet.web.page import page_files

MOST = 100_000
IMAGE = {"Content-Type": "application/octet-stream"}


class Answer:
    """What the server has said."""

    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self):
        return json.loads(self.body)


@contextmanager
def serving(judge):
    """Serve in a thread; yield a function that asks."""
    files = page_files("tiny", [("scores", ["MOS"])], MOST)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    made = app.application(judge, files, MOST, ["my-machine"])
    server = uvicorn.Server(uvicorn.Config(made, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()

    def ask(path, data=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        sent = {name.replace("_", "-"): value.format(port=port) for name, value in headers.items()}
        if data is not None:
            sent = {**IMAGE, **sent}
        connection.request("GET" if data is None else "POST", path, data, sent)
        return Answer(connection.getresponse())

    yield ask
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def scorer(finished):
    return Scorer(finished.stages["joint"], "cpu")


@pytest.fixture(scope="module")
def ask(scorer):
    with serving(Desk(scorer, "tiny")) as ask:
        yield ask


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


@pytest.fixture(scope="module")
def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def test_an_upload_gets_the_scorers_score_and_its_maps_when_asked_for(ask, scorer, pixels, png):
    verdict = scorer(pixels)
    found, mapped = ask("/score", png).json, ask("/score?maps=1", png).json
    assert found["score"] == mapped["score"] == verdict.score
    assert (found["grade"], found["width"], found["height"]) == (verdict.grade, 90, 60)
    assert found["shown"]["thumbnail"] and not found["shown"]["maps"]
    titles = [one["title"] for one in mapped["shown"]["maps"]]
    assert titles == [s.title for s in verdict.styles.values() if s.title and s.kind != "levels"]
    assert "image" not in found  # its path


def test_nothing_is_left_on_the_disk(ask, png, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert ask("/score", png).status == 200
    assert ask("/score", b"no image").status == 422
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no image", "The image cannot be decoded (cannot identify image file 'image')"),
        (b"", "it is empty"),
        (b"P6 60000 60000 255 ", "megapixels are decoded"),
    ],
)
def test_what_is_no_image_is_refused_in_words_without_a_path(ask, data, reason):
    answer = ask("/score", data)
    assert answer.status == 422 and reason in answer.json["error"]
    assert tempfile.gettempdir() not in answer.json["error"]


def test_a_large_upload_is_heard_to_its_end_and_refused(ask, png):
    answer = ask("/score", bytes(50_000_000))
    assert answer.status == 413
    assert answer.json["error"].startswith("The file has 50.0 MB, and the page takes 0.1 MB.")
    assert ask("/score", png).status == 200


def test_a_slow_upload_gives_way(ask, png, monkeypatch):
    monkeypatch.setattr(app, "PATIENCE", 0.2)

    def slowly():
        yield png[:10]
        time.sleep(0.6)
        yield png[10:]

    assert ask("/score", slowly(), Transfer_Encoding="chunked").status in (400, 408)
    assert ask("/score", png).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:{port}"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example:8000@127.0.0.1"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_other_websites_are_refused(ask, png, headers):
    for answer in (ask("/score", png, **headers), ask("/", **headers)):
        assert answer.status in (400, 403)
        assert answer.headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"},
        {"Host": "localhost:9000", "Origin": "http://localhost:9000"},  # through a tunnel
        {"Host": "[::1]:{port}"},
        {"Host": "My-Machine:{port}"},
    ],
    ids=str,
)
def test_the_page_itself_is_not(ask, png, headers):
    assert ask("/score", png, **headers).status == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]
)
def test_a_form_of_another_website_has_the_wrong_type(ask, png, content_type):
    assert ask("/score", png, Content_Type=content_type).status == 415


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/etc/passwd"),
        *("/serve.js/../../app.py", "/..%2fserve.html.j2", "/serve.js%00", "/score", "/docs"),
        "file:///etc/passwd",
    ],
)
def test_no_path_leads_to_a_file(ask, path):
    answer = ask(path)
    assert answer.status in (400, 404, 405) and b"root:" not in answer.body


def test_every_answer_forbids_itself_what_the_page_does_not_need(ask, png):
    for answer in (
        ask("/"),
        ask("/score", png),
        ask("/score", b""),
        ask("/no"),
        ask("/", Host="e"),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';") and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_loads_its_own_files_alone(ask):
    page = ask("/").body.decode()
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,", "/serve.css", "/serve.js"]
    assert "style=" not in page and "onclick" not in page  # its policy would refuse these
    for path in ("/serve.css", "/serve.js"):
        answer = ask(path)
        assert answer.status == 200 and not re.search(r"https?://|@import", answer.body.decode())
    assert ask("/serve.js").headers["Content-Type"].startswith("text/javascript")


def test_names_stay_text(ask):
    files = page_files("<b>model</b>", [("limits", ["<script>"])], MOST)
    assert "<b>" not in files["/"][1] and "<script>" not in files["/"][1]
    assert "innerHTML" not in render("serve.js")


def test_images_are_judged_one_at_a_time_while_the_page_answers():
    begun, go_on, most = threading.Semaphore(0), threading.Event(), []

    def judge(data, maps):
        most.append(len(data))
        begun.release()
        go_on.wait(60)
        if data == b"bad":
            raise DataError("bad")
        return {}

    with serving(judge) as ask:
        answers = {}
        threads = [
            threading.Thread(target=lambda data=data: answers.update({data: ask("/score", data)}))
            for data in (b"a", b"bad", b"ccc")
        ]
        for thread in threads:
            thread.start()
        assert begun.acquire(timeout=60)
        assert ask("/").status == 200  # nobody waits for the image
        time.sleep(0.1)
        assert len(most) == 1
        go_on.set()
        for thread in threads:
            thread.join()
    assert {data: answer.status for data, answer in answers.items()} == {
        b"a": 200,
        b"bad": 422,
        b"ccc": 200,
    }
