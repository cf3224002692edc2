import ast
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmtnet.errors import SettingsError
from hmtnet.models.system import find_system
from hmtnet.storage import key
from hmtnet.storage.key import digest_of, sources_digest

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True)
class Optimizer:
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)


def test_a_digest_is_known_and_stays():
    # If this fails, every finished run of every user is trained again: say so in the changelog.
    assert digest_of({"b": [1, 2.5, None, True, "ä"], "a": {}}) == "da6fc89b6e21"


@given(st.dictionaries(st.text(), plain_values, max_size=4))
def test_order_of_keys_does_not_matter(settings):
    assert digest_of(settings) == digest_of(dict(reversed(settings.items())))


def test_dataclasses_mappings_tuples_and_lists_agree():
    assert digest_of(Optimizer()) == digest_of({"betas": [0.9, 0.999], "lr": 0.001})


@pytest.mark.parametrize(
    ("a", "b"),
    [(0.1, 0.1 + 1e-17 + 2e-17), (1, True), (1, "1"), (None, "None"), ([], {}), (0, [0])],
)
def test_different_values_differ(a, b):
    assert digest_of({"x": a}) != digest_of({"x": b})


def test_length():
    assert len(digest_of(1)) == 12 and digest_of(1, 64).startswith(digest_of(1))


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, object(), Path(), b"bytes", 1j])
def test_values_without_a_canonical_form_are_refused(value):
    with pytest.raises(SettingsError, match="no digest"):
        digest_of({"x": [value]})


FILES = {
    "pack/__init__.py": "__version__ = '1'\n",
    "pack/errors.py": "",
    "pack/data/__init__.py": "from pack.data.images import load\n",
    "pack/data/images.py": "def load(): ...\n",
    "pack/data/crops.py": "from ..losses import ranking as r\n",
    "pack/data/unused.py": "",
    "pack/data/demo.py": "",
    "pack/data/readers/__init__.py": "",
    "pack/data/readers/qads.py": "",
    "pack/losses/__init__.py": "",
    "pack/losses/ranking.py": "import pack.metrics.plcc\n",
    "pack/metrics/__init__.py": "",
    "pack/metrics/plcc.py": "",
    "pack/models/__init__.py": "",
    "pack/models/sfen/__init__.py": "from .network import SFEN\n",
    "pack/models/sfen/network.py": """
import torch
from pack.errors import Wrong
from pack.data import crops

class SFEN:
    def forward(self):
        try:
            with torch.no_grad():
                match self:
                    case _:
                        from . import lazy
        finally:
            from pack.experiment import chain
""",
    "pack/models/sfen/lazy.py": "from pack.data.readers import qads\nimport pack.data.demo\n",
    "pack/models/other.py": "",
    "pack/experiment/__init__.py": "",
    "pack/experiment/chain.py": "from pack.models import other\n",
    "plugin/__init__.py": "",
    "plugin/system.py": "from plugin.helper import x\nfrom pack.losses import ranking\n",
    "plugin/helper.py": "",
    "plugin/unused.py": "",
    "single.py": "import pack.metrics\n",
}
IN_SFEN = {
    "pack/data/__init__.py",
    "pack/data/crops.py",
    "pack/losses/__init__.py",
    "pack/losses/ranking.py",
    "pack/metrics/__init__.py",
    "pack/metrics/plcc.py",
    "pack/models/__init__.py",
    "pack/models/sfen/__init__.py",
    "pack/models/sfen/network.py",
    "pack/models/sfen/lazy.py",
}
IN_PLUGIN = {
    "plugin/__init__.py",
    "plugin/system.py",
    "plugin/helper.py",
    "pack/losses/__init__.py",
    "pack/losses/ranking.py",
    "pack/metrics/__init__.py",
    "pack/metrics/plcc.py",
}


def forget():
    for function in (key._sources_digest, key._read, key.find_source):
        function.cache_clear()


@pytest.fixture
def sources(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield tmp_path
    forget()


def digest(root):
    forget()
    return sources_digest([root], package="pack")


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("pack.models.sfen.network", IN_SFEN),
        ("pack.models.sfen", IN_SFEN),
        ("plugin.system", IN_PLUGIN),
        ("pack.metrics.plcc", {"pack/metrics/__init__.py", "pack/metrics/plcc.py"}),
        ("single", {"single.py", "pack/metrics/__init__.py"}),
    ],
)
def test_exactly_the_modules_that_are_imported_count(sources, root, expected):
    before = digest(root)
    counting = set()
    for name, text in FILES.items():
        (sources / name).write_bytes(text.encode() + b"\nchanged = 1\n")
        if digest(root) != before:
            counting.add(name)
        (sources / name).write_bytes(text.encode())
    assert counting == expected
    assert digest(root) == before


def test_line_ends_and_the_place_of_the_package_do_not_matter(
    sources, tmp_path_factory, monkeypatch
):
    before = digest("pack.models.sfen")
    elsewhere = tmp_path_factory.mktemp("else where")
    for name, text in FILES.items():
        path = elsewhere / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.replace("\n", "\r\n").encode())
    monkeypatch.syspath_prepend(elsewhere)
    assert digest("pack.models.sfen") == before
    assert key.find_source("pack.models.sfen.lazy").is_relative_to(elsewhere)


CODE = '''"""Talk."""
from pack.losses import ranking

class A:
    """Talk."""

    x: int = 1

    def f(self, a, *, b=0.5):
        """Talk."""
        return f"{a!r:>{b}} and {self.x}", [i for i in a if i], b"x", ...
'''


def test_comments_docstrings_and_layout_do_not_matter(sources):
    path = sources / "pack/models/other.py"
    path.write_text(CODE)
    before = digest("pack.models.other")
    layout = CODE.replace("a, *, b=0.5", "a,\n    *, b = .5, # why\n").replace(
        '"{a!r', '"' + "{a!r"
    )
    for text in (CODE.replace("Talk", "Other talk"), layout, CODE.replace('"""Talk."""', "", 1)):
        assert text != CODE
        path.write_text(text)
        assert digest("pack.models.other") == before
    for old, new in (
        ("0.5", "0.6"),
        ("!r", ""),
        ('b"x"', '"x"'),
        (" and ", " or "),
        ("int", "str"),
    ):
        path.write_text(CODE.replace(old, new))
        assert digest("pack.models.other") != before


def test_code_has_the_same_digest_in_every_version_of_python():
    # Known, so that it fails in the version of Python that writes a syntax tree down otherwise.
    tree = ast.parse(CODE + "async def g(): pass\nmatch A:\n    case A(x=1): pass\n")
    assert digest_of(key._code(tree)) == "b3a6f58f93c9"


@pytest.mark.parametrize(
    ("imports", "counting"),
    [
        ("from pack.facade import one", {"one", "__init__"}),
        ("from pack.facade import two", {"two", "__init__"}),
        ("import pack.facade", {"one", "two", "__init__"}),
        ("from pack import facade", {"one", "two", "__init__"}),
        ("from pack.facade.one import f", {"one", "__init__"}),
        ("from pack.facade import *", {"one", "two", "__init__"}),
    ],
)
def test_a_package_that_hands_names_on_is_looked_through(sources, imports, counting):
    folder = sources / "pack/facade"
    folder.mkdir()
    texts = {
        "__init__": '"""Talk."""\nfrom .one import f as one\nfrom pack.facade.two import two\n'
        '__all__ = ["one", "two"]\n',
        "one": "def f(): ...\n",
        "two": "def two(): ...\n",
        "root": f"{imports}\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)

    def found():
        forget()
        return sources_digest(["pack.facade.root"], "pack", ("facade",))

    before = found()
    changing = set()
    for name in ("__init__", "one", "two"):
        (folder / f"{name}.py").write_text(f"{texts[name]}changed = 1\n")
        if found() != before:
            changing.add(name)
        (folder / f"{name}.py").write_text(texts[name])
    assert changing == counting
    (folder / "__init__.py").write_text(texts["__init__"].replace("Talk", "Other talk"))
    assert found() == before


def test_what_training_uses_counts_and_what_only_reports_does_not():
    lines = counted(*find_system("plain").stage("plain").modules, TRAINER)
    for module in ("experiment.training", "experiment.fitting", "experiment.callbacks"):
        assert f"hmtnet.{module}" in lines
    for module in ("metrics.correlation", "metrics.quality", "losses.ranking", "data.augment"):
        assert f"hmtnet.{module}" in lines
    for part in ("metrics.resampling", "metrics.significance", "metrics.logistic", "report", "cli"):
        assert not any(line.startswith(f"hmtnet.{part}") for line in lines)
    for module in ("experiment.progress", "experiment.predict", "data.manifest", "models.system"):
        assert f"hmtnet.{module}" not in lines
    assert not any(line.startswith("hmtnet.models.hmtnet") for line in lines)


TRAINER = "hmtnet.experiment.training"


def counted(*roots):
    """Name the modules that count."""
    written = []
    forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key, "digest_text", lambda text, *_: written.append(text) or "x")
        sources_digest(roots)
    forget()
    return {line.split(" ")[0] for line in written[-1].splitlines()}


def test_the_name_of_a_module_counts(sources):
    assert digest("pack.data.unused") != digest("pack.models.other")  # both are empty


def test_nothing_is_imported_and_order_does_not_matter(sources):
    roots = ["pack.models.sfen", "plugin.system"]
    assert sources_digest(roots, "pack") == sources_digest([*reversed(roots), roots[0]], "pack")
    assert "pack" not in sys.modules and "plugin" not in sys.modules


def test_the_answer_holds_for_the_life_of_the_process(sources):
    before = sources_digest(["pack.models"], "pack")
    (sources / "pack/models/__init__.py").write_text("changed = 1\n")
    assert sources_digest(["pack.models"], "pack") == before
    assert digest("pack.models") != before


@pytest.mark.parametrize("root", ["pack.models.nowhere", "no_such_package.system"])
def test_a_root_that_does_not_exist(sources, root):
    with pytest.raises(ModuleNotFoundError, match=root):
        digest(root)


@pytest.mark.parametrize("root", ["pack.experiment.chain", "pack", "pack.data.demo"])
def test_a_root_that_does_not_count_is_no_empty_digest(sources, root):
    with pytest.raises(ValueError, match="in none of"):
        digest(root)


def test_the_real_package_is_read_fast_and_without_importing_it():
    code = """
import sys, time
from hmtnet.storage.key import sources_digest
start = time.process_time()
digest = sources_digest(["hmtnet.metrics"])
assert len(digest) == 64 and time.process_time() - start < 0.5
assert not {"torch", "numpy", "hmtnet.metrics"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
