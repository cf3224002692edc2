"""Readers find datasets by their settings alone, never by this machine's environment."""

import pytest


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch):
    monkeypatch.delenv("HMTNET_DATA", raising=False)
