"""Two processes give exactly the numbers of one, whatever each has seen."""

import json
import multiprocessing

import pytest

# Both the processes and this test run it, so that there is one truth about the data.
PLAN = """
import torch
from hmtnet.metrics.quality import GradeMetrics, QualityMetrics
from hmtnet.metrics.quality_mapped import MappedQuality
from hmtnet.metrics.quality_within import WithinQuality

CASES = {
    "uneven": [list(range(13)), list(range(13, 21))],
    "padded": [[0, 2, 4, 6, 8, 10, 12], [1, 3, 5, 7, 9, 11, 0]],
    "empty": [list(range(9)), []],
    "empty first": [[], list(range(9))],
}

generator = torch.Generator().manual_seed(3)
mos = torch.rand(21, generator=generator)
score = mos + 0.3 * torch.randn(21, generator=generator)
probabilities = torch.softmax(2 * torch.randn(21, 5, generator=generator), dim=1)
true = torch.randint(5, (21,), generator=generator)
cell = torch.arange(21) % 4 - 1  # none, or one of three
reference = torch.arange(21) % 2

def measure(rows):
    kinds = QualityMetrics(), GradeMetrics(5), MappedQuality(), MappedQuality(5), WithinQuality()
    metrics = torch.nn.ModuleList(kinds).to(torch.bfloat16)
    for part in torch.tensor(rows, dtype=torch.int64).split(4):
        if len(part):
            metrics[0].update(score[part], mos[part], part)
            metrics[1].update(probabilities[part], true[part], part)
            metrics[2].update(score[part], mos[part], part)
            metrics[3].update(score[part], mos[part], part)
            metrics[4].update(score[part], mos[part], cell[part], reference[part], part)
    results = {}
    for number, metric in enumerate(metrics):
        computed, again = metric.compute(), metric.compute()
        assert {k: v.item().hex() for k, v in again.items()} == {
            k: v.item().hex() for k, v in computed.items()
        }
        results |= {f"{number}.{k}": v.item().hex() for k, v in computed.items()}
    return results
"""

WORKER = (
    PLAN
    + """
import json, torch.distributed
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
results = {name: measure(parts[rank]) for name, parts in CASES.items()}
broken = QualityMetrics()
values = torch.tensor([1.0, float("nan") if rank else 2.0])
broken.update(values, values.nan_to_num(), torch.tensor([0, 1]) + 2 * rank)
try:
    broken.compute()
except ValueError as error:
    results["error"] = str(error)
with open(out, "w") as stream:
    json.dump(results, stream)
torch.distributed.destroy_process_group()
"""
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gloo")
    fork = multiprocessing.get_context("fork")  # processes that need not import torch again
    names = [{"rank": r, "meeting": folder / "meet", "out": folder / f"{r}"} for r in range(2)]
    processes = [fork.Process(target=exec, args=(WORKER, given)) for given in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    ended = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert ended == [0, 0]  # what they have raised stands on the standard error
    return [json.loads((folder / f"{rank}").read_text()) for rank in range(2)]


@pytest.mark.parametrize("case", ["uneven", "padded", "empty", "empty first"])
def test_two_processes_equal_one_to_the_last_bit(outcomes, case):
    plan = {}
    exec(PLAN, plan)
    expected = plan["measure"](sorted({row for part in plan["CASES"][case] for row in part}))
    assert len(expected) == 8 + 2 + 2 + 3
    assert case != "uneven" or "nan" not in expected.values()
    assert outcomes[0][case] == expected
    assert outcomes[1][case] == expected


def test_a_nan_on_one_process_fails_both(outcomes):
    # Were it raised on one only, the other would wait forever at the next exchange.
    assert "Images: 3." in outcomes[0]["error"]
    assert outcomes[0]["error"] == outcomes[1]["error"]
