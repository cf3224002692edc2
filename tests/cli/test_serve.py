"""The command that serves the page; what the server answers is in tests/web."""

import builtins
import re
import shutil
import signal
import socket
import urllib.request

import pytest
from PIL import Image

from tests.browser import BROWSER, Page

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


def test_a_missing_extra_is_named(hmtnet, finished, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    done = hmtnet("serve", "--model", finished.stages["joint"])
    assert (done.code, done.out) == (2, "")
    assert 'pip install "hmtnet[web]"' in done.err and "Traceback" not in done.err


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(hmtnet, finished):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = hmtnet("serve", "--model", finished.stages["joint"], "--port", port)
    assert done.code == 2 and f"--port {port}" in done.err and "Give another port" in done.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--port", "70000"), "Give another port"),
        (("--host", "192.0.2.1"), "another address of this machine"),
        (("--upload-limit", "0"), "expected megabytes above 0"),
        (("--device", "abacus"), "cannot be used"),
    ],
)
def test_what_cannot_be_served_is_one_message(hmtnet, finished, words, reason):
    done = hmtnet("serve", "--model", finished.stages["joint"], *words)
    assert (done.code, done.out) == (2, "")
    assert reason in done.err and done.err.count("hmtnet: ") == 1


def test_the_nearest_model_is_named(hmtnet):
    done = hmtnet("serve", "--model", "hmtnet-light")
    assert done.code == 2 and "Did you mean 'hmtnet-lite'?" in done.err


@pytest.fixture
def served(hmtnet_process, finished):
    """A server in a process of its own: its address, and the process."""
    process = hmtnet_process("serve", "--port", "0", "--model", finished.stages["joint"])
    address = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address), process.stderr.read()
    return address, process


@pytest.mark.full
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_it_quietly(served, number, code):
    address, process = served
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == ("" if number == signal.SIGINT else err) and "Traceback" not in err


@pytest.fixture
def page(tmp_path):
    page = Page(tmp_path / "profile")
    yield page
    page.close()


@pytest.fixture
def photos(tiny_root, tmp_path):
    """Two images and a text in a folder, one image below it and one that is hidden."""
    names = ("a.png", "b.png", "sub/c.png", ".hidden.png")
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    found = sorted((tiny_root / "super-resolved_images").glob("*.png"))
    for name, image in zip(names, found, strict=False):
        shutil.copy(image, tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def names(page):
    return page.run("[...document.querySelectorAll('#ranking .name')].map((n) => n.textContent)")


@pytest.mark.full
@needs_browser
@pytest.mark.parametrize("width", [360, 400, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_in_a_browser(served, page, photos, tmp_path, width, dark):
    page.open(served[0], width, dark)
    assert page.run("document.activeElement === document.body")
    page.choose("#folder", photos)
    page.wait("document.querySelectorAll('#ranking tbody tr').length === 3")
    page.wait("document.querySelector('#stop').hidden")
    assert {*names(page)} == {"photos/a.png", "photos/b.png", "photos/sub/c.png"}
    scores = page.run("[...document.querySelectorAll('#ranking td:nth-child(3)')]"
                      ".map((cell) => Number(cell.firstChild.textContent))")  # fmt: skip
    assert scores == sorted(scores, reverse=True)

    # By keys alone: a name opens its maps, two ticks the slider, an arrow moves it.
    page.run("document.querySelector('#ranking .name').focus()")
    page.press("Enter", 13, "\r")
    page.wait("document.querySelectorAll('#detail figure').length > 3")
    assert page.run("document.querySelector('#detail h2') === document.activeElement")
    page.run("document.querySelector('#ranking input').focus()")
    page.press(" ", 32, " ")
    page.run("document.querySelectorAll('#ranking input')[1].focus()")
    page.press(" ", 32, " ")
    page.wait("!document.querySelector('#pair').hidden")
    page.wait("document.querySelector('.slider .under').naturalWidth === 64")
    page.press("Tab", 9)  # the images, which may be scrolled
    page.press("Tab", 9)
    assert page.run("document.activeElement.id") == "share"
    page.press("ArrowRight", 39)
    assert page.run("document.querySelector('.over').style.clipPath") == "inset(0px 49% 0px 0px)"

    # Anything else is refused politely, and the page goes on.
    (tmp_path / "large.png").write_bytes(bytes(50_000_000))
    Image.new("RGBA", (9, 9)).save(tmp_path / "glass.png")
    page.choose("#images", tmp_path / "large.png", photos / "notes.txt", tmp_path / "glass.png")
    page.wait("document.querySelectorAll('#failed li').length === 3")
    told = page.run("document.querySelector('#failed').innerText")
    assert "50.0 MB" in told and "cannot be decoded" in told and "transparent" in told

    assert page.run("document.documentElement.scrollWidth") <= width
    assert not [error for error in page.errors if "422" not in str(error)]
    page.run("document.querySelector('#clear').click()")
    assert names(page) == []


@pytest.mark.full
@needs_browser
def test_another_website_cannot_use_the_server(served, page, photos):
    page.open("data:text/html,<p>elsewhere", 1280)
    sent = page.run(
        f"fetch('{served[0]}score', {{method: 'POST', mode: 'no-cors', body: 'x'}})"
        ".then((answer) => answer.type, (error) => error.name)"
    )
    read = page.run(f"fetch('{served[0]}').then((answer) => answer.text(), (error) => error.name)")
    assert sent in ("opaque", "TypeError") and read == "TypeError"
    assert page.run(
        f"""new Promise((done) => {{
            const script = document.createElement("script");
            script.onload = () => done("loaded");
            script.onerror = () => done("refused");
            script.src = "{served[0]}serve.js";
            document.body.append(script);
        }})"""
    ) == "refused"  # fmt: skip
