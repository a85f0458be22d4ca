"""Runs are counted as the protocol says, kept a line each, and compared in pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.optimizer_summary import difference, mean, regrets
from benchmarks.problems import DATA, problem
from benchmarks.runs import EVALUATIONS, Run, append, drive, keep, missing, read, search
from benchmarks.warm_search import against, compared, known, past, start
from benchmarks.warm_search import search as warm_search
from metadb.records import Evaluation, Trial


class Climbing:
    """Each config at 1/3, then on to 1."""

    def __init__(self) -> None:
        self.n = 0

    def ask(self, n: int = 1) -> list[Trial]:
        nth, self.n = self.n, self.n + 1
        x = {"x0": float(nth // 2 % 10), "x1": 1.0}
        return [Trial(x, 1.0, nth, nth - 1) if nth % 2 else Trial(x, 1 / 3, nth)]

    def tell(self, evaluations: list[Evaluation]) -> None: ...


@pytest.mark.parametrize(("resumes", "each"), [(True, 1.0), (False, 4 / 3)])
def test_going_on_costs_the_difference_where_a_budget_can_be_gone_on_from(resumes, each):
    made = Run("climbing", "branin", 0)
    drive(Climbing(), replace(problem("branin"), resumes=resumes), made)
    assert sum(made.full) == pytest.approx(EVALUATIONS / each, abs=1)
    assert made.spent[1] == pytest.approx(each)
    assert made.best()[0] == (made.losses[1] if resumes else np.inf)


def test_only_the_full_budget_counts():
    made = Run("m", "p", 0, [0.1, 3.0, None, 2.0], [0.5, 1.5, 2.5, 3.5], [False, True, True, True])
    assert list(made.best(5)) == [np.inf, 3.0, 3.0, 2.0, 2.0]


def test_a_cache_is_read_as_it_was_written_though_a_line_was_cut(tmp_path):
    cache = tmp_path / "runs.jsonl"
    first, second = search("random", problem("branin"), 0), search("random", problem("branin"), 1)
    append(cache, first)
    with cache.open("a") as file:
        file.write('{"method": "ran')
    append(cache, second)
    assert read(cache) == {first.key: first, second.key: second}
    assert len(first.losses) == EVALUATIONS
    assert not first.error
    left = list(missing(["random"], ["branin", "nb301"], range(2), set(read(cache))))
    assert left == [("random", "nb301", 0), ("random", "nb301", 1)]
    assert list(missing(["hyperband"], ["branin"], [0], set())) == []


def test_what_a_search_raises_is_kept():
    made = search("tpe", problem("branin"), 0, gamma=2.0)
    assert made.error.startswith("ValueError: gamma")


def curve(level: float) -> np.ndarray:
    return np.full(EVALUATIONS, level)


def test_a_difference_is_paired_and_its_interval_holds_it():
    ours = {"a": {0: curve(0.1), 1: curve(0.3), 2: curve(0.2)}, "b": {0: curve(0.2)}}
    peer = {"a": {0: curve(0.3), 1: curve(0.4)}, "b": {0: curve(0.2), 5: curve(0.9)}}
    row = difference(ours, peer, ["a", "b"])
    assert row["difference"] == pytest.approx((-0.15 + 0.0) / 2)
    assert row["low"] <= row["difference"] <= row["high"] < 0
    assert (row["pairs"], row["problems"], row["won"], row["lost"]) == (3, 2, 2, 0)
    assert difference(ours, {}, ["a"]) is None
    assert mean(ours, ["a", "b"])[0] == pytest.approx(0.2)
    assert mean(ours, ["a", "c"]) is None


def test_regret_is_of_the_range_and_a_failed_run_has_none():
    runs = {("m", "p", s): Run("m", "p", s, [3.0], [1.0], [True]) for s in (0, 1)}
    runs["m", "p", 1].error = "it broke"
    found = regrets(runs, {"p": (1.0, 5.0)})
    assert found["m"]["p"][0][-1] == pytest.approx(0.5)
    assert set(found["m"]["p"]) == {0}


def test_warm_after_a_third_is_compared_with_cold_at_the_end():
    falling = np.linspace(1.0, 0.0, EVALUATIONS)
    row = against({"t": {0: falling}}, {"t": {0: falling}})
    assert row["difference"] == pytest.approx(falling[15] - falling[49], abs=1e-6)
    assert not row["no_worse"]


@pytest.mark.skipif(not DATA.exists(), reason="shared/data/yahpo is not here")
def test_a_warm_search_begins_with_what_the_other_tasks_advise():
    new = problem("lcbench:167149")
    advice = start("portfolio", new, DATA, 0)["warm_start"]
    told = {tuple(c.values()): x for c, x in zip(advice, new.losses(advice), strict=True)}
    made = warm_search("start.portfolio:random", new, DATA, 0)
    assert not made.error
    np.testing.assert_allclose(made.losses[:5], list(told.values()), rtol=1e-5)
    assert new.name in past("lcbench", DATA).tasks
    assert len(made.losses) == EVALUATIONS


def test_cold_runs_of_the_study_of_quality_are_not_run_again(tmp_path):
    quality, cache = tmp_path / "quality.jsonl", tmp_path / "warm.jsonl"
    for key in (("tpe", "lcbench:1", 0), ("tpe", "branin", 0), ("optuna_tpe", "lcbench:1", 0)):
        append(quality, Run(*key))
    append(cache, Run("start.auto:tpe", "lcbench:1", 0))
    assert set(known(cache, quality)) == {
        ("cold:tpe", "lcbench:1", 0), ("start.auto:tpe", "lcbench:1", 0)
    }  # fmt: skip


def test_a_shortened_run_has_the_same_best_losses():
    losses, spent = [3.0, None, 1.0, 2.0, 0.5, 0.1], [1.0, 2.0, 3.0, 4.0, 4.5, 6.0]
    made = Run("random", "branin", 0, losses, spent, [True, True, True, True, False, True])
    assert made.short.losses == [3.0, 1.0, 0.1]
    assert made.short.best().tolist() == made.best().tolist()


def test_what_is_kept_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.runs.RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    made = Run("random", "branin", 0, [2.0, 3.0], [1.0, 2.0], [True, True])
    append(tmp_path / "study.jsonl", made)
    keep(tmp_path / "study.jsonl")
    (tmp_path / "study.jsonl").unlink()
    assert read(tmp_path / "study.jsonl") == {made.key: made.short}


def test_cold_and_warm_are_compared_on_the_tasks_that_all_ran():
    keys = [
        ("start.portfolio:tpe", "lcbench:1", 0), ("cold:tpe", "lcbench:1", 0),
        ("cold:tpe", "lcbench:2", 0), ("cold:bo", "lcbench:1", 0),
    ]  # fmt: skip
    assert list(compared({key: Run(*key) for key in keys})) == keys[:2]
