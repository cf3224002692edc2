"""What SECURITY.md promises: no input starts a program, leaves its folder, or fills the memory."""

import csv
import io
import json
import os
import pickle
import resource
import struct
import sys
import zipfile
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import h5py
import numpy as np
import openpyxl
import pytest
import torch
import yaml

from hmtnet.artifact import predictions
from hmtnet.cli.ablation import read_ablation
from hmtnet.cli.info import card_of
from hmtnet.cli.main import BAD_INPUT
from hmtnet.cli.push import _readme
from hmtnet.cli.words import hydra_words
from hmtnet.data.export import to_csv
from hmtnet.data.images import decode
from hmtnet.data.manifest import Manifest
from hmtnet.data.readers import matlab, read
from hmtnet.data.readers.sheets import read_sheet
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import HmtnetError
from hmtnet.experiment.checkpoints import newest, set_damaged_aside
from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.loggers.sink import Table
from hmtnet.experiment.loggers.tensorboard_sink import TensorBoardSink
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.files import digest_file, harmless, plain_yaml, read_json
from hmtnet.models.maps import MapStyle
from hmtnet.models.weights import read_checkpoint, read_weights
from hmtnet.report.numbers.methods import compare_methods
from hmtnet.report.render.methods import Disputed, Told, write_comparison
from hmtnet.report.render.scores import ScorePage
from hmtnet.scoring.score_table import Failure, Row, ScoreFile
from hmtnet.scoring.tiles import Layout
from hmtnet.scoring.verdict import Verdict
from hmtnet.storage import status, trials
from hmtnet.storage.directory import RunDirectory
from tests.data.conftest import save_noise
from tests.fuzz.weights_targets import network, tiny_network
from tests.report.conftest import Runs

FORMULAS = ("=1+1", "+1-a", "-1.png", "@sum", "\t=1", "\r=1")


@pytest.fixture
def canary(tmp_path):
    """A file that appears only if something of an input was run."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


class Evil:
    """What unpickling would run: it makes the canary."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def report_runs(tmp_path):
    """Writes run directories as training leaves them."""
    return Runs(tmp_path / "runs")


# --- nothing of a file is run


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("read", [read_weights, read_checkpoint])
def test_a_pickle_among_weights_is_not_run(canary, tmp_path, read, legacy):
    path = tmp_path / "a.pth"
    torch.save({"a": Evil(canary)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(HmtnetError, match="nothing in it is run"):
        read(path)


def test_a_pickle_in_a_checkpoint_is_not_run(canary, tmp_path):
    path = tmp_path / "epoch-0001.ckpt"
    torch.save({"hmtnet": {"key": "k"}, "a": Evil(canary)}, path)
    path.with_name(f"{path.name}.sha256").write_text(f"{digest_file(path)}  {path.name}\n")
    set_damaged_aside(tmp_path, "k")
    assert newest(tmp_path) is None


@pytest.mark.parametrize(
    "word",
    [
        "+hydra.callbacks.x={{_target_: os.mkdir, path: {canary}}}",
        "hydra.launcher._target_=os.mkdir",
        "+hydra.job_logging.handlers.x={{class: os.mkdir, path: {canary}}}",
        "--experimental-rerun={pickle}",
        "--config-dir={folder}",
        "hydra.searchpath=[file://{folder}]",
        "hydra.sweeper._target_=os.mkdir",
        "data._target_=os.mkdir",
    ],
)
def test_no_word_starts_anything_but_a_plugin(hmtnet, canary, tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.pickle").write_bytes(pickle.dumps(Evil(canary)))
    evil = tmp_path / "evil" / "mine" / "evil.yaml"
    evil.parent.mkdir(parents=True)
    evil.write_text(f"# @package hydra.callbacks\nx: {{_target_: os.mkdir, path: {canary}}}")
    told = word.format(canary=canary, pickle="run.pickle", folder=tmp_path / "evil")
    more = ["+mine=evil"] if "{folder}" in word else []
    done = hmtnet("baseline", "data=qads", *more, told)
    assert done.code == BAD_INPUT and done.err.count("hmtnet: ") == 1
    assert any(said in done.err for said in ("Hydra would run", "Unknown flag", "Unknown setting"))


@pytest.mark.parametrize(
    "place",
    ["data", "logger", "size", "split", "sweep", "system", "trainer", "system.joint.optimizer"],
)
def test_no_group_makes_what_a_target_names(hmtnet, canary, place):
    inner = f"{{_target_: os.mkdir, path: {canary}}}"
    words = [f"++{place}._target_=os.mkdir", f"++{place}.path={canary}", f"++{place}.x={inner}"]
    done = hmtnet("train", *words)
    assert done.code == BAD_INPUT and done.err.count("hmtnet: ") == 1, done.err


def test_a_number_without_end_is_refused():
    with pytest.raises(HmtnetError, match="cannot be read"):
        hydra_words([f"seed={'9' * 5000}"], ())


def test_modules_of_the_working_folder_are_not_imported(canary, tmp_path, monkeypatch):
    from scipy.io import savemat

    for name in ("scipy", "numpy", "hmtnet"):
        (tmp_path / f"{name}.py").write_text(f"import os; os.mkdir({str(canary)!r})")
    monkeypatch.chdir(tmp_path)
    savemat("a.mat", {"mos": np.eye(2)})
    assert np.array_equal(matlab.load(tmp_path / "a.mat").numbers("mos"), np.eye(2))


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir [canary]",
        "!mine x",
        "&a [*a]",
        "\n".join(["a0: &a0 [1]", *(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 10}]" for i in range(1, 12))]),
        f"{{a: {'[' * 2000}",
        "2026-99-99",
    ],
)
def test_yaml_has_no_tags_and_no_bombs(canary, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"."):
        plain_yaml(text)
    (word,) = hydra_words([f"a=[{text}"], ())
    assert word.startswith("++a='")  # a plain text


@pytest.mark.parametrize("text", ["[1]", "a: 1", "size: {name: ../x}", "size: {name: [1]}", "!x y"])
def test_settings_of_a_run_that_are_none_are_refused(report_runs, text):
    folder = report_runs.write("hmtnet")
    (folder / "settings.yaml").write_text(text)
    with pytest.raises(HmtnetError, match=r"settings\.yaml cannot be read"):
        read_ablation(report_runs.root)


# --- nothing leaves its folder


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..\\..\\x", "a/b", ".hidden", "\0x"])
def test_names_of_a_description_name_no_other_folder(tmp_path, name):
    found = RunDirectory.locate(tmp_path, name, name, name, name).path
    assert found.resolve().relative_to(tmp_path.resolve()).parts == found.parts[-3:]


def test_a_matlab_file_reads_no_other_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678" * 4)
    with h5py.File(tmp_path / "other.mat", "w") as other:
        other["mos"] = np.eye(2)
    with h5py.File(tmp_path / "raw.mat", "w") as file:
        file.create_dataset("mos", (4,), np.float64, external=[(bytes(secret), 0, 32)])
    with h5py.File(tmp_path / "link.mat", "w") as file:
        file["mos"] = h5py.ExternalLink("other.mat", "mos")
    with h5py.File(tmp_path / "virtual.mat", "w") as file:
        layout = h5py.VirtualLayout((2, 2), np.float64)
        layout[:] = h5py.VirtualSource("other.mat", "mos", (2, 2))
        file.create_virtual_dataset("mos", layout)
    for name in ("raw", "link", "virtual"):
        with pytest.raises(HmtnetError, match="lies in another file"):
            matlab.load(tmp_path / f"{name}.mat")


# --- nothing fills the memory


def peak():
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes


def wide_sheet(path):
    """Write few bytes that stand for 6,000 rows of 1,000 cells."""
    book = openpyxl.Workbook()
    book.active.append(["image", "mos"])
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    rows = "".join(f'<row r="{n}"><c r="ALL{n}"><v>1</v></c></row>' for n in range(2, 6_002))
    page = "xl/worksheets/sheet1.xml"
    parts[page] = parts[page].replace(b"</sheetData>", rows.encode() + b"</sheetData>")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def entities(path):
    """Write a spreadsheet whose XML doubles itself again and again."""
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    told = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    start = f'<!DOCTYPE x [<!ENTITY e0 "x">{told}]><x>&e11;</x>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, start if name == "xl/workbook.xml" else data)


def vast_image(path):
    """Write a PNG that claims 100,000 × 100,000 pixels."""
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    data = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def vast_cells(path):
    """Write a MATLAB file with a thousand cells that each claim 400 MB."""
    with h5py.File(path, "w") as file:
        cell = file.create_dataset("#refs#/a", (200_000_000,), "<u2", chunks=(1000,))
        cell.attrs["MATLAB_class"] = np.bytes_("char")
        file["names"] = np.array([[cell.ref] * 1000], dtype=h5py.ref_dtype)


def vast_header(path):
    """Write a safetensors file whose header claims to be as long as memory allows."""
    path.write_bytes(struct.pack("<Q", 2**40) + b"{" * 1000)


@pytest.mark.parametrize(
    ("write", "name", "read"),
    [
        (wide_sheet, "a.xlsx", lambda path: read_sheet(path, ("image", "mos"))),
        (entities, "a.xlsx", lambda path: read_sheet(path, ("image", "mos"))),
        (vast_image, "a.png", decode),
        (vast_cells, "a.mat", matlab.load),
        (vast_header, "a.safetensors", read_weights),
    ],
    ids=["cells", "entities", "pixels", "MATLAB cells", "header"],
)
def test_what_claims_too_much_is_refused(tmp_path, write, name, read):
    write(tmp_path / name)
    before = peak()
    with pytest.raises(HmtnetError):
        read(tmp_path / name)
    assert peak() - before < 600_000_000


def test_a_description_cannot_ask_for_more_weights_than_there_are(tmp_path):
    files = tiny_network()
    document = json.loads(files["stage.json"].data)
    document["settings"]["network"]["backbone"]["widths"] = [20_000, 20_000]
    (tmp_path / "stage.json").write_text(json.dumps(document))
    (tmp_path / "stage.safetensors").write_bytes(files["stage.safetensors"].data)
    with pytest.raises(HmtnetError, match=r"describes a network of .* weights, but there are"):
        network(tmp_path)


def test_json_that_is_nested_deeply_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"nested too deeply|Expecting value"):
        read_json(tmp_path / "a.json")


# --- nothing that a spreadsheet, a terminal or TeX would obey


def cells(text):
    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_sweep_and_scores_hold_no_formula_and_numbers_stay(tmp_path, text):
    sweep = trials.Sweep({"a": "x", "seed": "-1,2"}, (), 1)
    trials.begin(tmp_path, sweep)
    trials.write(tmp_path, trials.Trial(0, "complete", {"a": text, "seed": "-1"}, val_srcc=-0.5))
    found = cells((tmp_path / "sweep.csv").read_bytes().decode())
    assert f"'{text}" in found and "-1" in found and "-0.5" in found

    row = Row(text, -0.5, -1e-9, None, None, 2, 2, 1.0, "MOS", text, "0" * 16, "1" * 16)
    file = ScoreFile(tmp_path / "scores.csv")
    file.append(row)
    file.append(replace(row, image=f"'{text}"))
    found = cells((tmp_path / "scores.csv").read_bytes().decode())
    assert f"'{text}" in found and f"''{text}" in found and "-1e-09" in found
    assert list(ScoreFile(tmp_path / "scores.csv").rows) == [text, f"'{text}"]
    assert ScoreFile(tmp_path / "scores.csv").rows[text] == row


def test_a_report_holds_no_formula_and_steers_no_terminal(hmtnet, report_runs, tmp_path):
    evil = "\x1b[2J\u202e[0]*"
    for system, dataset in (("=1+1", "-1.png"), ("\r=1", "@sum")):
        report_runs.write(system, dataset=dataset + evil)
    output = tmp_path / "report"
    done = hmtnet("report", report_runs.root, "--output", output)
    assert done.code == 0 and not {"\x1b", "\u202e"} & set(done.out + done.err)
    for cell in cells((output / "leaderboard.csv").read_bytes().decode()):
        assert cell[:1] not in {"=", "+", "-", "@", "\t", "\r"} or harmless(cell) == cell
    for name in ("report.md", "leaderboard.tex"):
        assert not {"\x1b", "\u202e"} & set((output / name).read_text())
    lines = (output / "leaderboard.tex").read_text().splitlines()
    assert not [line for line in lines if line.lstrip()[:1] in ("[", "*")]


def test_what_lies_under_runs_steers_no_terminal(hmtnet, report_runs):
    folder = report_runs.write(dataset="tiny\x1b[2J")
    found = status.read(folder / "status.json")
    status.write(folder / "status.json", found.then(message="\x1b[2J\u202e"))
    for words in (["list"], ["show", folder], ["rm", folder, "--yes"]):
        done = hmtnet("runs", *words, "--runs", report_runs.root)
        assert done.code == 0 and not {"\x1b", "\u202e"} & set(done.out + done.err)


def test_a_message_steers_no_terminal(hmtnet, tmp_path):
    done = hmtnet("report", tmp_path / "\x1b[2Ja\u202e")
    assert done.code == BAD_INPUT
    assert r"\x1b[2Ja\u202e" in done.err and "\x1b" not in done.err


# --- nothing that a browser would take for markup


EVIL = "<img src=x onerror=alert(1)>|![a](http://b.example/c)_d_&copy;"


class Markup(HTMLParser):
    """A page's tags and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def only_shown(text):
    """Return whether a page shows the evil name, and has nothing of it but text."""
    page = Markup(text)
    given = [pair for _, attributes in page.tags for pair in attributes.items()]
    loaded = [value for name, value in given if name == "src" and not value.startswith("data:")]
    led = [value for name, value in given if name == "href" and ":" in value.removeprefix("data:")]
    return EVIL in page.text and not loaded + led + [name for name, _ in given if name[:2] == "on"]


def test_a_comparison_shows_names_and_its_tables_hold_no_formula(tmp_path):
    names = [EVIL, "=1+1", "@sum"]
    quality = {name: [0.1 * row, 0.5] for row, name in enumerate(names)}
    told = Told(EVIL, ["-1.png", EVIL], quality, (EVIL,))
    disputed = [Disputed(EVIL, ((EVIL, 0.5, b""),))]
    page = write_comparison(tmp_path, compare_methods(quality), told, disputed)
    assert only_shown(page.read_text(encoding="utf-8"))
    for path in tmp_path.glob("*.csv"):
        found = cells(path.read_text(encoding="utf-8"))
        assert {"'=1+1", "'@sum"} <= {*found} and not {"=1+1", "@sum", "-1.png"} & {*found}


def test_adopted_columns_stay_text_in_their_folder(hmtnet, tiny_root, tmp_path):
    names = [EVIL, "=1+1", "../../x", "\x1b[2J"]
    images = sorted(path.name for path in (tiny_root / "super-resolved_images").iterdir())
    rows = [[image, *(str(row + 0.5 * i) for i in range(4))] for row, image in enumerate(images)]
    with (tmp_path / "scores.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["image", *names], *rows])
    before = {*tmp_path.iterdir()}
    data = ("data=qads", f"data.root={tiny_root}", f"runs={tmp_path / 'runs'}")
    done = hmtnet("adopt", tmp_path / "scores.csv", *data)
    assert done.code == 0 and "\x1b" not in done.out + done.err, done.err
    assert {*tmp_path.iterdir()} == before | {tmp_path / "runs"}
    assert hmtnet("report", tmp_path / "runs", "--output", tmp_path / "report").code == 0
    assert only_shown((tmp_path / "report" / "report.html").read_text(encoding="utf-8"))
    found = cells((tmp_path / "report" / "leaderboard.csv").read_text(encoding="utf-8"))
    assert [cell for cell in found if cell.startswith("'=1+1")]


def test_the_page_of_scores_shows_names(tmp_path):
    page = ScorePage(tmp_path / "page.html", EVIL, [("limits", [EVIL])], 1)
    row = Row(
        *(EVIL, 0.5, 0.5, None, None, 12, 16, 1.0, EVIL, EVIL, "0" * 16, "1" * 16),
        outside=EVIL,
    )
    values = np.full((2, 2), 0.5, np.float32)
    style = MapStyle(kind="levels", title=EVIL, hint=EVIL, names=(EVIL, EVIL))
    verdict = Verdict(
        *(0.5, 0.5, (0.0, 1.0), True, "human", None, np.zeros(0)),
        maps={"a": values},
        styles={"a": style},
        layout=Layout(12, 16, 8, ((0, 0),)),
    )
    page.see(EVIL, np.zeros((12, 16, 3), np.uint8), verdict)
    page.append(row)
    page.finish([row], [Failure(EVIL, EVIL)])
    assert only_shown(page.path.read_text(encoding="utf-8"))
    assert ScorePage(page.path, EVIL, [], 1).rows == {EVIL: row}


def test_the_hubs_page_of_a_model_shows_names(report_runs):
    markdown = pytest.importorskip("markdown")
    card = card_of(str(report_runs.write(EVIL, f"b\n\n# {EVIL}", dataset=EVIL)))
    assert only_shown(markdown.markdown(_readme("hf://somebody/judge", {**card, "card": None})))


def test_tensorboard_shows_names(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugin_util import markdown_to_safe_html

    card = Card("k", EVIL, "a group", "a stage", True, (EVIL,), {})
    sink = TensorBoardSink(card, LoggerSettings(name="tensorboard"), RunDirectory(tmp_path))
    sink.tables({"predictions": Table(("image", "score"), [(EVIL, 0.5)], {})})
    sink.finish("failed", EVIL)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    for tag in ("about", "predictions", "state"):
        (event,) = events.Tensors(f"{tag}/text_summary")
        assert only_shown(markdown_to_safe_html(event.tensor_proto.string_val[0])), tag


# --- what is read back stays exact


def test_predictions_and_exports_come_back_to_the_last_bit(tmp_path):
    names = ("-1.png", "=a.png", "@b.png")
    for seed, name in enumerate(names):
        save_noise(tmp_path / "set" / name, seed)
    records = [
        Record(image=name, mos=-1 / (3 + i), reference=f"+r{i}", method="=m", scale=2)
        for i, name in enumerate(names)
    ]
    manifest = Manifest.create(
        *("own", tmp_path / "set", records),
        label_kind="human",
        mos_range=(-1.0, 1.0),
        higher_is_better=True,
    )
    (tmp_path / "set" / "labels.csv").write_text(to_csv(manifest), newline="")
    settings = DataSettings(
        reader="table",
        name="own",
        root=str(tmp_path / "set"),
        range=(-1.0, 1.0),
        direction="higher",
        label_kind="human",
    )
    assert read(settings).records == manifest.records

    count = len(names)
    written = predictions.Predictions(
        image=names,
        subset=("test",) * count,
        mos=manifest.mos,
        mos_std=np.full(count, np.nan),
        score=np.array([-0.1, -1e-300, 0.1 + 0.2]),
        grade=np.full(count, -1),
        true_grade=np.full(count, -1),
        probabilities=np.zeros((count, 0)),
        reference=manifest.reference,
        method=manifest.method,
        scale=manifest.scale,
    )
    predictions.write(tmp_path / "predictions.csv", written)
    found = predictions.read(tmp_path / "predictions.csv")
    assert (found.image, found.reference, found.method) == (names, written.reference, ("=m",) * 3)
    assert found.score.tolist() == written.score.tolist()
    assert yaml.safe_load("a: 1") == plain_yaml("a: 1")
