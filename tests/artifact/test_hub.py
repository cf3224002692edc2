"""Models of the hub, against one on this machine that speaks its protocol."""

import json
import shutil
import socket

import pytest
from huggingface_hub import constants

import hmtnet as package
from hmtnet.artifact.hub import fetch, parse
from hmtnet.artifact.shipped import find_model
from hmtnet.errors import ArtifactError
from tests.artifact.hub_stub import TOKEN, running

ADDRESS = "hf://somebody/judge"


def use(monkeypatch, address, cache):
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    fetch.cache_clear()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub without any model; one may write to it, and nothing is cached."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.delenv("HMTNET_OFFLINE", raising=False)
    with running() as hub:
        use(monkeypatch, hub.address, tmp_path / "cache")
        yield hub
    fetch.cache_clear()


@pytest.fixture
def pushed(hub, finished):
    """The hub, with a model on it."""
    package.push_model(finished.stages["joint"], ADDRESS)
    fetch.cache_clear()
    return hub


@pytest.mark.parametrize(
    "address",
    [
        *("hf://", "hf://judge", "hf://a/b/c", "hf://../b", "hf://a/..", "hf://a/b@", "hf:///b"),
        *("hf://a/b@../c", "hf://a b/c", "hf://ä/b", "https://a/b", "hf://.a/b", "hf://a/b\n"),
    ],
)
def test_what_is_no_address_is_told(address):
    with pytest.raises(ArtifactError, match="Expected hf://owner/name"):
        parse(address)


def test_what_was_pushed_scores_as_before(pushed, finished, tiny_root):
    image = next((tiny_root / "super-resolved_images").glob("*.png"))
    here = package.load(finished.stages["joint"], "cpu")
    there = package.load(ADDRESS, "cpu")
    assert there(image).score == here(image).score
    assert there.restored.digest == here.restored.digest
    assert package.load(f"{ADDRESS}@v1", "cpu")(image).score == here(image).score


def test_neither_labels_nor_predictions_are_sent_but_a_card_is(pushed):
    files = pushed.models["somebody/judge"]
    assert {*files} <= {"README.md", "stage.json", "stage.safetensors", "scenes.safetensors"}
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: hmtnet\n")
    assert "**scores**: MOS, 0 to 1, 1 is best" in card
    assert f"hmtnet score photos/ --model {ADDRESS}" in card


def test_one_process_asks_once_and_the_cache_serves_offline(pushed, monkeypatch, hmtnet):
    folder = find_model(ADDRESS)
    count = len(pushed.asked)
    assert find_model(ADDRESS) == folder and len(pushed.asked) == count
    fetch.cache_clear()
    monkeypatch.setenv("HMTNET_OFFLINE", "1")
    assert find_model(ADDRESS) == folder and len(pushed.asked) == count
    assert json.loads(hmtnet("info", ADDRESS, "--format", "json").out)["system"] == "hmtnet"


def test_only_files_of_a_model_are_fetched(pushed):
    pushed.models["somebody/judge"]["evil.py"] = b"raise SystemExit"
    assert not (find_model(ADDRESS) / "evil.py").exists()


def test_changed_weights_are_refused(pushed):
    files = pushed.models["somebody/judge"]
    files["stage.safetensors"] = files["stage.safetensors"][:-4] + b"\0\0\0\1"
    with pytest.raises(ArtifactError, match="changed after it was written"):
        package.load(ADDRESS, "cpu")


def refusal(hmtnet, *words):
    done = hmtnet(*words)
    assert (done.code, done.out) == (2, ""), done.err
    assert done.err.startswith("hmtnet: ") and done.err.count("\n") == 1
    return done.err


def test_what_cannot_be_fetched_is_one_message(pushed, hmtnet, monkeypatch, tmp_path, caplog):
    assert "shows no model hf://somebody/else" in refusal(hmtnet, "info", "hf://somebody/else")
    assert "no revision 'v2'" in refusal(hmtnet, "info", f"{ADDRESS}@v2")
    pushed.models["somebody/other"] = {"model.bin": b""}
    assert "it has no stage.json" in refusal(hmtnet, "info", "hf://somebody/other")
    assert not [r for r in caplog.records if r.name.startswith("huggingface_hub")]
    pushed.broken = True
    assert "cannot be reached" in refusal(hmtnet, "info", ADDRESS)
    monkeypatch.setenv("HMTNET_OFFLINE", "1")
    assert "HMTNET_OFFLINE forbids" in refusal(hmtnet, "info", ADDRESS)
    monkeypatch.setenv("HMTNET_OFFLINE", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    use(monkeypatch, closed, tmp_path / "empty")
    assert "cannot be reached" in refusal(hmtnet, "info", ADDRESS)


def test_what_cannot_be_pushed_is_one_message(hub, hmtnet, finished, monkeypatch, tmp_path):
    joint = finished.stages["joint"]
    assert "Expected hf://owner/name" in refusal(hmtnet, "push", joint, "somebody/judge")
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    assert "does not let you write" in refusal(hmtnet, "push", joint, ADDRESS)
    monkeypatch.setenv("HMTNET_OFFLINE", "1")
    assert "forbids" in refusal(hmtnet, "push", joint, ADDRESS)
    monkeypatch.delenv("HMTNET_OFFLINE")
    damaged = shutil.copytree(joint, tmp_path / "damaged")
    (damaged / "stage.safetensors").write_bytes(b"")
    asked = len(hub.asked)
    refusal(hmtnet, "push", damaged, ADDRESS)
    assert len(hub.asked) == asked and not hub.models  # nothing half-written
    sfen = finished.stages["sfen"]
    assert "cannot be used by itself" in refusal(hmtnet, "push", sfen, ADDRESS) and not hub.models


@pytest.mark.full
def test_the_environment_says_which_hub(pushed, finished, hmtnet_process, tmp_path):
    """In a process of its own, which reads HF_ENDPOINT and HF_HOME as everybody's does."""
    environment = {"HF_ENDPOINT": pushed.address, "HF_HOME": str(tmp_path / "home")}
    found = hmtnet_process("info", ADDRESS, "--format", "json", **environment)
    out, err = found.communicate(timeout=300)
    assert found.returncode == 0, err
    assert json.loads(out)["model"] == ADDRESS
