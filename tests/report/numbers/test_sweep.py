"""The numbers of a sweep's report, on made-up trials."""

import numpy as np
import pytest

from hmtnet.errors import DataError
from hmtnet.report.numbers.sweep import importance, read_sweep_report, unanswered
from hmtnet.report.render.sweep import PAGE, write_sweep
from hmtnet.storage import trials
from hmtnet.storage.trials import Sweep, Trial

LR, POOL, SEED = "system.sfen.optimizer.lr", "system.sfen.network.pool", "seed"


def drawn(count):
    """Trials whose objective is made of the pool, and of the rate; the seed means nothing."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        lr, pool, seed = 10 ** rng.uniform(-4, -2), rng.choice(["mean", "std"]), rng.integers(3)
        srcc = 0.7 + 0.1 * (pool == "std") - 0.02 * abs(np.log10(lr) + 4) + 0.005 * rng.normal()
        sets = {LR: f"{lr:.5g}", POOL: str(pool), SEED: str(seed)}
        found.append(Trial(number, "complete", sets, val_srcc=float(srcc), key=f"k{number}"))
    return found


def test_importance_is_the_share_of_variance_that_a_setting_explains():
    found = importance(drawn(120), [LR, POOL, SEED])
    assert list(found) == [POOL, LR, SEED]
    assert found[POOL] > 0.8 and found[LR] < 0.2 and found[SEED] < 0.05
    assert importance(drawn(3), [LR, POOL]) == {}
    alike = [Trial(n, "complete", {POOL: "ab"[n % 2]}, val_srcc=0.5) for n in range(9)]
    assert importance(alike, [POOL]) == {POOL: 0.0}


def test_a_cut_short_ablation_says_what_it_cannot_answer():
    def trial(number, ablation, seed, state="complete"):
        return Trial(number, state, {"ablation": ablation, "seed": seed}, val_srcc=0.5)

    sweep = Sweep({"ablation": "reference,a,b,c", "seed": "0,1"}, (), 8)
    found = [trial(0, "reference", "0"), trial(1, "a", "0"), trial(2, "b", "0", "failed")]
    assert unanswered(sweep, found) == ["b", "c"]
    assert unanswered(sweep, [*found, trial(3, "b", "1")]) == ["b", "c"]
    assert unanswered(sweep, [*found, trial(3, "b", "1"), trial(4, "reference", "1")]) == ["c"]
    assert unanswered(Sweep({"seed": "0,1"}, (), 2), found) == []


def test_a_page_of_its_own(tmp_path):
    folder = tmp_path / "runs" / "sweeps" / "s"
    with pytest.raises(DataError, match="holds no trial yet"):
        read_sweep_report(folder)
    trials.begin(folder, Sweep({LR: "x", POOL: "mean,std", SEED: "0,1,2"}, (), 40))
    for trial in drawn(12):
        trials.write(folder, trial)
    trials.write(folder, Trial(12, "failed", {POOL: "<b>"}, message="<script>"))
    run = tmp_path / "runs" / "qads" / "content-s0" / "sfen-k3"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text("epoch,val/srcc\n1,0.5\n2,0.6\n", encoding="utf-8")
    found = read_sweep_report(folder)
    assert [trial.val_srcc for trial in found.complete] == sorted(
        (trial.val_srcc for trial in found.complete), reverse=True
    )
    assert list(found.curves) == [3]
    page = write_sweep(found, tmp_path / "report", "best=1")
    text = page.read_text(encoding="utf-8")
    assert page.name == PAGE and text.count('<path class="trial') == 12
    assert "trial shade4 first" in text and "hmtnet train best=1" in text
    assert "<script>&" not in text and "&lt;script&gt;" in text and "++" not in text
    for number in range(13):
        assert f">{number}</span>" in text
