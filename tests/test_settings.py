from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmtnet.errors import SettingsError
from hmtnet.settings import build, plain


@dataclass(frozen=True)
class Optimizer:
    lr: float
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Network:
    optimizer: Optimizer
    name: str = "sfen"
    prior: Literal["mixture", "none"] = "mixture"
    grades: Literal[3, 5, 7] = 5
    widths: tuple[int, ...] = (8, 16)
    weights: str | None = None
    limit: int | float | None = None
    grid: int | Literal["cover"] = "cover"
    frozen: bool = True
    columns: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Optimizer] = field(default_factory=dict)
    anything: Any = None
    derived: int = field(init=False, default=3)

    def __post_init__(self):
        if self.name == "forbidden":
            raise ValueError("name must not be 'forbidden'")


def network(**changes):
    return build(Network, {"optimizer": {"lr": 0.1}, **changes})


def test_defaults_and_nesting():
    assert network() == Network(Optimizer(0.1))
    built = network(
        optimizer={"lr": 1, "betas": [0, 0.5]}, widths=[1, 2, 3], parts={"head": {"lr": 2.0}}
    )
    assert built.optimizer == Optimizer(1.0, 1e-4, (0.0, 0.5))
    assert isinstance(built.optimizer.lr, float) and isinstance(built.optimizer.betas[0], float)
    assert built.widths == (1, 2, 3) and built.parts == {"head": Optimizer(2.0)}


def test_a_built_dataclass_is_accepted_as_it_is():
    optimizer = Optimizer(0.2)
    assert network(optimizer=optimizer).optimizer is optimizer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nme": "x"}, r"Unknown setting 'nme'\. Did you mean 'name'\?"),
        ({"optimizer": {"lr": 1, "lrr": 2}}, r"'optimizer\.lrr'\. Did you mean 'lr'\?"),
        ({"derived": 1}, "Unknown setting 'derived'"),
        ({"optimizer": {}}, r"'optimizer\.lr' is required"),
        ({"optimizer": {"lr": "0.1x"}}, r"'optimizer\.lr': expected a number, found '0\.1x'"),
        ({"optimizer": {"lr": "nan"}}, "expected a finite number, found nan"),
        ({"optimizer": {"lr": "٣"}}, "expected a number, found '٣'"),
        ({"optimizer": {"lr": True}}, "expected a number, found True"),
        ({"optimizer": {"lr": float("nan")}}, "expected a finite number, found nan"),
        ({"optimizer": {"lr": float("inf")}}, "expected a finite number"),
        ({"optimizer": 3}, "'optimizer': expected a group of settings, found 3"),
        ({"optimizer": {"lr": 1, "betas": [1]}}, "a list of 2 values"),
        ({"optimizer": {"lr": 1, "betas": [1, "x"]}}, r"'optimizer\.betas\[1\]': expected a num"),
        ({"widths": [1, 2.5]}, r"'widths\[1\]': expected a whole number, found 2\.5"),
        ({"widths": "12"}, "'widths': expected a list, found '12'"),
        ({"widths": 1}, "expected a list"),
        ({"prior": "mixtur"}, "'mixtur' is not one of mixture, none.* Did you mean 'mixture'"),
        ({"grades": 4}, "4 is not one of 3, 5, 7"),
        ({"grades": 5.0}, r"5\.0 is not one of"),
        ({"grades": "5"}, "'5' is not one of"),
        ({"name": True}, "expected text, found True"),
        ({"name": None}, "expected text, found None"),
        ({"weights": [3]}, "'weights': expected text"),
        ({"limit": "all"}, "'limit': expected a whole number or a number or null, found 'all'"),
        ({"grid": 1.5}, "'grid': expected a whole number or 'cover', found 1.5"),
        ({"grid": "cove"}, "expected a whole number or 'cover', found 'cove'. Did you mean 'cov"),
        ({"frozen": 1}, "expected true or false, found 1"),
        ({"frozen": "true"}, "expected true or false"),
        ({"columns": ["a"]}, "'columns': expected a mapping"),
        ({"columns": {"a": None}}, r"'columns\.a': expected text"),
        ({"parts": {"head": {"lrr": 1}}}, r"'parts\.head\.lrr'"),
        ({"name": "forbidden"}, "'Network': name must not be 'forbidden'"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(SettingsError, match=message):
        network(**changes)


def test_where_puts_a_path_in_front():
    with pytest.raises(SettingsError, match=r"'system\.sfen\.optimizer\.lrr'"):
        build(Optimizer, {"lrr": 1}, where="system.sfen.optimizer")
    with pytest.raises(SettingsError, match="'system': expected a group of settings, found None"):
        build(Optimizer, None, where="system")


def test_unions_keep_the_first_type_that_fits():
    assert network(weights=None).weights is None
    assert network(weights="x.pth").weights == "x.pth"
    assert network(limit=3).limit == 3 and isinstance(network(limit=3).limit, int)
    assert network(limit=0.5).limit == 0.5


def test_true_is_not_one_in_a_literal():
    @dataclass
    class Count:
        n: Literal[0, 1]

    with pytest.raises(SettingsError, match="True is not one of"):
        build(Count, {"n": True})


def test_a_field_of_an_unsupported_type_is_a_defect_not_a_setting():
    @dataclass
    class Wrong:
        value: bytes

    with pytest.raises(TypeError, match="not supported"):
        build(Wrong, {"value": b""})


scalars = st.floats(allow_nan=False, allow_infinity=False)


@given(
    lr=scalars,
    widths=st.lists(st.integers(), max_size=4).map(tuple),
    columns=st.dictionaries(st.text(), st.text(), max_size=3),
    anything=st.none() | st.integers() | st.lists(st.text()),
)
def test_plain_and_build_are_inverse(lr, widths, columns, anything):
    settings = Network(Optimizer(lr), widths=widths, columns=columns, anything=anything)
    mapping = plain(settings)
    assert mapping.pop("derived") == 3
    assert build(Network, mapping) == settings


def test_plain_gives_lists_and_text_keys():
    found = plain({"a": (1, (2.5, None)), 3: Optimizer(0.1)})
    expected = {"lr": 0.1, "weight_decay": 1e-4, "betas": [0.9, 0.999]}
    assert found == {"a": [1, [2.5, None]], "3": expected}
    assert isinstance(found["a"], list) and isinstance(found["3"]["betas"], list)
