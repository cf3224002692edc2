"""Fixtures that tests of several rooms share."""

import pytest

from hmtnet.data import demo


@pytest.fixture(scope="session")
def demo_root():
    """The folder of the whole demo set, built once a machine (under HMTNET_HOME or ~/.cache)."""
    return demo.ensure()
