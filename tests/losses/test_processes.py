"""Two processes compute the loss and the gradients of one."""

import os
import subprocess
import sys

import pytest
import torch

from hmtnet.losses import gather_across_processes, supervised_contrastive

# Run by both processes and by this test: one truth about the data.
PLAN = """
import torch
from hmtnet.losses import gather_across_processes, supervised_contrastive

PARTS = {
    "uneven": [range(0, 7), range(7, 10)],
    "empty": [range(0, 10), range(10, 10)],
    "even": [range(0, 5), range(5, 10)],
}
generator = torch.Generator().manual_seed(3)
pixels = torch.randn(10, 6, generator=generator, dtype=torch.float64)
keys = torch.tensor([0, 1, 0, 1, 2, 2, 0, 1, 0, 2])
image = torch.tensor([0, 1, 2, 3, 4, 4, 5, 6, 7, 8])
scores = torch.rand(10, generator=generator)

from hmtnet.models.score_loss import ScoreLossSettings, score_terms


def relate(rows, kind, repeated=0):
    # The relation of scores to the MOS, and its gradient where the scores come from.
    rows = torch.tensor(list(rows), dtype=torch.long)
    weight = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
    settings = ScoreLossSettings(relation=kind)
    again = torch.arange(len(rows)) >= len(rows) - repeated
    mos = scores[rows].double()
    terms = score_terms(pixels[rows] @ weight, mos, settings, repeated=again)
    terms["relation"].backward()
    return {"loss": terms["relation"].detach(), "weight": weight.grad}


def train(rows):
    rows = torch.tensor(list(rows), dtype=torch.long)
    weight = torch.linspace(-1, 1, 24, dtype=torch.float64).view(6, 4).requires_grad_()
    embeddings = torch.nn.functional.normalize(pixels[rows] @ weight, dim=1)
    embeddings.retain_grad()
    loss = supervised_contrastive(
        gather_across_processes(embeddings),
        gather_across_processes(keys[rows]),
        gather_across_processes(image[rows]),
        scores=gather_across_processes(scores[rows]),
        sigma=0.3,
    )
    loss.backward()
    return {"loss": loss.detach(), "embeddings": embeddings.grad, "weight": weight.grad}
"""

WORKER = (
    PLAN
    + """
import sys
import torch.distributed as dist

rank, meeting, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.set_num_threads(1)
dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
results = {name: train(parts[rank]) for name, parts in PARTS.items()}
for kind in ("ranking", "plcc"):
    results[kind] = relate(PARTS["even"][rank], kind)
    # The second process draws an image once more, to have as many as the first one.
    results[f"{kind}, repeated"] = relate([range(5), [*range(5, 9), 0]][rank], kind, repeated=rank)
# What distributed data parallel does to the gradients of parameters.
for result in results.values():
    dist.all_reduce(result["weight"])
    result["weight"] /= 2
results["maps"] = gather_across_processes(torch.full((rank + 1, 2, 3), rank, dtype=torch.int32))
torch.save(results, out)
dist.destroy_process_group()
"""
)


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "worker.py"
    script.write_text(WORKER)
    paths = [folder / f"{rank}.pt" for rank in range(2)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(rank), folder / "meeting", path],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, path in enumerate(paths)
    ]
    try:
        errors = [process.communicate(timeout=60)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return [torch.load(path) for path in paths]


@pytest.fixture(scope="module")
def plan():
    names: dict = {}
    exec(PLAN, names)
    return names


@pytest.mark.parametrize("name", ["uneven", "empty", "even"])
def test_loss_and_gradients_of_one_process(name, of_two, plan):
    alone = plan["train"](range(10))
    for rank, rows in enumerate(plan["PARTS"][name]):
        found = of_two[rank][name]
        torch.testing.assert_close(found["loss"], alone["loss"])
        # The documented factor: the number of processes before averaging, none after.
        expected = 2 * alone["embeddings"][rows.start : rows.stop]
        torch.testing.assert_close(found["embeddings"], expected)
        torch.testing.assert_close(found["weight"], alone["weight"])


@pytest.mark.parametrize("kind", ["ranking", "plcc"])
def test_the_relation_is_that_of_all_images(kind, of_two, plan):
    alone = plan["relate"](range(10), kind)
    for results in of_two:
        torch.testing.assert_close(results[kind]["loss"], alone["loss"])
        torch.testing.assert_close(results[kind]["weight"], alone["weight"])
    apart = [plan["relate"](rows, kind)["weight"] for rows in plan["PARTS"]["even"]]
    assert not torch.allclose(sum(apart) / 2, alone["weight"])


@pytest.mark.parametrize("kind", ["ranking", "plcc"])
def test_an_image_that_fills_up_a_process_does_not_count_twice(kind, of_two, plan):
    alone = plan["relate"](range(9), kind)
    for results in of_two:
        torch.testing.assert_close(results[f"{kind}, repeated"]["loss"], alone["loss"])
        torch.testing.assert_close(results[f"{kind}, repeated"]["weight"], alone["weight"])


def test_integers_of_more_dimensions_in_the_order_of_ranks(of_two):
    for results in of_two:
        assert results["maps"].dtype == torch.int32
        assert results["maps"].shape == (3, 2, 3)
        assert results["maps"][:, 0, 0].tolist() == [0, 1, 1]


def test_alone_it_is_the_identity():
    x = torch.rand(3, 2, requires_grad=True)
    assert gather_across_processes(x) is x


def test_the_plan_can_fail(plan):
    """Without gathering, a process would have another loss."""
    z = torch.nn.functional.normalize(plan["pixels"][:7], dim=1)
    part = supervised_contrastive(z, plan["keys"][:7], plan["image"][:7])
    z = torch.nn.functional.normalize(plan["pixels"], dim=1)
    assert not torch.isclose(part, supervised_contrastive(z, plan["keys"], plan["image"]))
