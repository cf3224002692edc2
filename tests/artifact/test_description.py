import json

import pytest
import torch

from hmtnet.artifact import store
from hmtnet.artifact.description import ENVELOPE, FORMAT, META_FILE, read_description
from hmtnet.errors import ArtifactError


def test_it_reads_what_a_stage_wrote(tmp_path):
    meta = {"stage": "sfen", "settings": {"lr": 0.1}, "edges": [0.2, 0.5]}
    store.save(tmp_path, {"w": torch.zeros(2)}, meta)
    assert read_description(tmp_path) == meta == store.read_meta(tmp_path)
    assert META_FILE == store.META_FILE


def test_a_folder_without_one(tmp_path):
    with pytest.raises(ArtifactError, match=r"stage\.json is missing"):
        read_description(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '"a"', json.dumps({"format": 1}), "[" * 100_000])
def test_a_damaged_one(tmp_path, text):
    (tmp_path / META_FILE).write_text(text)
    with pytest.raises(ArtifactError, match="is damaged"):
        read_description(tmp_path)


def test_a_newer_one(tmp_path):
    document = dict.fromkeys(ENVELOPE, "x") | {"format": FORMAT + 1, "hmtnet": "9.9"}
    (tmp_path / META_FILE).write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"made by hmtnet 9\.9.*Upgrade hmtnet"):
        read_description(tmp_path)
