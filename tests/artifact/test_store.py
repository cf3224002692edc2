import itertools
import json
import multiprocessing
import time

import pytest
import torch
from torch import nn

from hmtnet import __version__
from hmtnet.artifact import store
from hmtnet.artifact.description import FORMAT
from hmtnet.artifact.digests import own_digest
from hmtnet.errors import ArtifactError

META = {"stage": "grading", "edges": [0.2, 0.4], "srcc": None, "name": "ä", "nested": {"k": 5}}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, network, value):
    state = network.state_dict()
    state["2.weight"][0, 1] = value
    store.save(tmp_path / "run", state, META)
    with pytest.raises(ArtifactError, match=r"numbers that are not finite \(2\.weight\)"):
        store.load(tmp_path / "run")


def test_save_and_load_return_the_same(tmp_path, network):
    state = network.state_dict()
    store.save(tmp_path / "run", state, META)
    artifact = store.load(tmp_path / "run")
    assert artifact.meta == META == store.read_meta(tmp_path / "run")
    assert artifact.folder == tmp_path / "run"
    assert artifact.tensors.keys() == state.keys()
    for name, tensor in state.items():
        found = artifact.tensors[name]
        assert found.dtype == tensor.dtype and torch.equal(found, tensor), name
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "stage.json",
        "stage.safetensors",
    ]


def test_the_description_is_for_people_and_names_its_maker(tmp_path, network):
    store.save(tmp_path, network.state_dict(), META)
    document = json.loads((tmp_path / "stage.json").read_text(encoding="utf-8"))
    assert document["format"] == FORMAT and document["hmtnet"] == __version__
    assert document["files"]["stage.safetensors"]["sha256"] == store.load(tmp_path).digest
    assert '"name": "ä"' in (tmp_path / "stage.json").read_text(encoding="utf-8")


def test_tuples_views_and_other_types_are_stored(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "transposed": base.T,
        "slice": base[:, 1:3],
        "half": base.to(torch.bfloat16),
        "count": torch.tensor(7),
        "none": torch.empty(0, 3),
        "gradient": base.clone().requires_grad_(),
    }
    store.save(tmp_path, tensors, {"sizes": (8, 16)})
    artifact = store.load(tmp_path)
    assert artifact.meta == {"sizes": [8, 16]}
    for name, tensor in tensors.items():
        assert torch.equal(artifact.tensors[name], tensor) and artifact.tensors[name].dtype == (
            tensor.dtype
        )


def test_tied_weights_are_stored_under_each_name_and_stay_tied_when_loaded(tmp_path):
    def tied():
        network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        network[1].weight = network[0].weight
        return network

    source, target = tied(), tied()
    store.save(tmp_path, source.state_dict(), {})
    store.load_strictly(target, store.load(tmp_path).tensors, "a test")
    assert target[0].weight is target[1].weight
    assert torch.equal(target[1].weight, source[0].weight)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (
            {"metrics": {"srcc": float("nan")}},
            r"nan at 'metrics.srcc'; an undefined number is None",
        ),
        ({"edges": [0.1, float("inf")]}, r"inf at 'edges\[1\]'"),
        ({"path": object()}, r"\(object\) at 'path'"),
        ({"grades": {1: "bad"}}, "'grades' has 1"),
        ({"seed": torch.tensor(1)}, r"\(Tensor\) at 'seed'"),
        ({"format": 2}, "'format' itself"),
        ({"files": {}}, "'files' itself"),
    ],
)
def test_a_description_that_json_cannot_hold_is_refused_before_anything_is_written(
    tmp_path, network, meta, message
):
    with pytest.raises(ArtifactError, match=message):
        store.save(tmp_path / "run", network.state_dict(), meta)
    assert not (tmp_path / "run").exists()


def test_an_earlier_artifact_survives_a_failed_save(tmp_path, network, monkeypatch):
    store.save(tmp_path, network.state_dict(), {"n": 1})

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.safetensors.torch, "save_file", full_disk)
    with pytest.raises(ArtifactError, match=r"cannot be written .*No space left .*Check"):
        store.save(tmp_path, network.state_dict(), {"n": 2})
    assert store.load(tmp_path).meta == {"n": 1}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_crash_between_the_two_renames_leaves_no_artifact(tmp_path, network, monkeypatch):
    store.save(tmp_path, network.state_dict(), {"n": 1})
    replace = type(tmp_path).replace

    def crash(self, target):
        if target.name == "stage.json":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        store.save(tmp_path, {"other": torch.zeros(1)}, {"n": 2})
    with pytest.raises(ArtifactError, match="No finished stage in"):
        store.load(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path, network):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"cannot be written to .*file"):
        store.save(tmp_path / "file", network.state_dict(), {})


FORK = multiprocessing.get_context("fork")  # a process that need not import torch again


def save_for_ever(folder, ready):
    torch.set_num_threads(1)
    for n in itertools.count(1):
        store.save(folder, {"n": torch.full((50_000,), float(n))}, {"n": n})
        if n == 1:
            ready.set()


def test_a_writer_killed_at_any_moment_leaves_a_whole_artifact_or_none(tmp_path):
    whole = attempt = 0
    while attempt < 3 or (not whole and attempt < 30):
        attempt += 1
        ready = FORK.Event()
        writer = FORK.Process(target=save_for_ever, args=(tmp_path, ready))
        writer.start()
        assert ready.wait(60)
        time.sleep(0.011 * attempt)
        writer.kill()
        writer.join()
        try:
            artifact = store.load(tmp_path)
        except ArtifactError as error:
            assert "No finished stage" in str(error)  # never "damaged"
        else:
            whole += 1
            assert artifact.tensors["n"].unique().tolist() == [artifact.meta["n"]]
    assert whole  # else the test has looked at nothing


@pytest.fixture
def saved(tmp_path, network):
    store.save(tmp_path, network.state_dict(), META)
    return tmp_path


def test_a_missing_artifact_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match=r"No finished stage in .*stage.json is missing. Train"):
        store.load(tmp_path / "nowhere")


def test_missing_weights(saved):
    (saved / "stage.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"stage.safetensors is damaged: it is missing"):
        store.load(saved)


@pytest.mark.parametrize("offset", [0, 40, -1])
def test_one_changed_byte_is_noticed(saved, offset):
    path = saved / "stage.safetensors"
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="was changed after it was written"):
        store.load(saved)


def test_weights_of_another_run_are_noticed(saved, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    store.save(other, {"x": torch.zeros(1)}, {})
    (other / "stage.safetensors").replace(saved / "stage.safetensors")
    with pytest.raises(ArtifactError, match="was changed after it was written"):
        store.load(saved)


def test_a_file_that_is_no_safetensors_is_damaged_even_with_the_right_digest(saved, rewrite):
    (saved / "stage.safetensors").write_bytes(b"pickle?")
    rewrite(saved)
    with pytest.raises(ArtifactError, match="no safetensors file"):
        store.load(saved)


_ODD = {"format": 3, "hmtnet": "0.1.0", "files": 0.5}
FILES_NO_OBJECT = json.dumps({**_ODD, "sha256": own_digest(_ODD)}).encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "stage.json is damaged"),
        (b'{"format": 1', "stage.json is damaged"),
        (b"\xff\xfe", "stage.json is damaged"),
        (b"[1]", "expected a JSON object"),
        (b"{}", "lacks format, hmtnet, weights_sha256"),
        (b'{"format": 1, "hmtnet": "0.1.0"}', "lacks weights_sha256"),
        (b'{"format": 3, "hmtnet": "0.1.0"}', "lacks sha256, files"),
        (FILES_NO_OBJECT, "its 'files' are no JSON object"),
        (b'{"format": 4, "hmtnet": "9.8.7"}', r"format 4, made by hmtnet 9\.8\.7;.*Upgrade"),
    ],
)
def test_a_damaged_or_newer_description(saved, text, message):
    (saved / "stage.json").write_bytes(text)
    with pytest.raises(ArtifactError, match=message):
        store.load(saved)
    with pytest.raises(ArtifactError, match=message):
        store.read_meta(saved)


def test_strict_loading_names_every_difference_and_touches_nothing(network):
    tensors = {name: torch.zeros_like(t) for name, t in network.state_dict().items()}
    del tensors["0.bias"], tensors["1.running_var"]
    tensors["2.weight"] = torch.zeros(1, 5)
    tensors["head.bias"] = torch.zeros(1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ArtifactError) as caught:
        store.load_strictly(network, tensors, "stage 'grading'")
    message = str(caught.value)
    assert "The weights of stage 'grading' do not fit Sequential:" in message
    assert "2 missing: 0.bias, 1.running_var" in message
    assert "1 unexpected: head.bias" in message
    assert "1 of another shape: 2.weight (expected (1, 4), found (1, 5))" in message
    assert "Nothing was loaded" in message
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())


def test_a_long_list_of_differences_is_cut_honestly():
    network = nn.ModuleList(nn.Linear(1, 1) for _ in range(20))
    with pytest.raises(ArtifactError, match=r"40 missing: .* and 28 more"):
        store.load_strictly(network, {}, "an empty file")


def test_a_prefix_takes_one_part_and_leaves_the_others(network):
    torch.manual_seed(1)
    whole = nn.ModuleDict(
        {
            "grader": nn.Linear(2, 5),
            "grader_head": nn.Linear(1, 1),
            "old": nn.ModuleDict({"grader": nn.Linear(1, 1)}),
        }
    )
    part = nn.Linear(2, 5)
    store.load_strictly(part, whole.state_dict(), "stage 'joint'", prefix="grader.")
    assert torch.equal(part.weight, whole["grader"].weight)
    with pytest.raises(ArtifactError, match=r"under 'sfen\.' do not fit Linear:\n  2 missing"):
        store.load_strictly(part, whole.state_dict(), "stage 'joint'", prefix="sfen.")
