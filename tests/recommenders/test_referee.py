"""Laws of the referee: nothing leaks, nothing is mixed up, work goes on where it was cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from pyarrow import parquet

from metadb.errors import InvalidConfig, NotFound, WrongUsage
from metadb.history import Configs, History
from metadb.records import Evaluation, Recommendation, Task
from recommenders import RECOMMENDERS
from recommenders.court import sheets_of
from recommenders.referee import Judgement, folds_of, leave_one_task_out
from recommenders.verdict import Verdict, digest, from_table, origin, to_table

FAMILIES = {name: RECOMMENDERS[name] for name in ("random", "average_rank", "portfolio", "nearest")}


def make_history(
    n_tasks: int = 6, n_configs: int = 9, *, seed: int = 0, datasets: Sequence[int] | None = None
) -> History:
    rng = np.random.default_rng(seed)
    configs = Configs.of("toy", [{"x": float(i), "kind": "ab"[i % 2]} for i in range(n_configs)])
    task, config = np.nonzero(np.ones((n_tasks, n_configs)))
    loss = rng.random(len(task)) + config / n_configs
    loss[rng.random(len(task)) < 0.1] = np.inf
    tasks = tuple(f"toy:{i}" for i in range(n_tasks))
    return History(
        "error_rate", tasks, configs, task.astype(np.int32), config.astype(np.int32), loss,
        np.ones(len(task)), np.ones(len(task)), {"nr_inst": rng.random(n_tasks) * 1000},
        tuple(f"data:{d}" for d in datasets) if datasets is not None else tasks,
    )  # fmt: skip


def said(verdicts: Sequence[Verdict]) -> list[str]:
    """All of a verdict but its seconds, as text, where NaN is NaN."""
    return [
        repr((v.recommender, v.task, v.dataset, v.seed, v.seeds, v.tried, v.best.tolist(),
         v.regret.tolist(), v.expected.tolist(), v.low.tolist(), v.high.tolist(), v.probability.tolist(), v.refused))
        for v in verdicts
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """Advises the candidates in order, and keeps what it was shown."""

    history: History
    shown: ClassVar[list[History]] = []
    told: ClassVar[list[tuple[str, tuple[Evaluation, ...]]]] = []

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Watched:
        cls.shown.append(history)
        return cls(history)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        assert candidates is not None
        self.told.append((task.id, tuple(observed)))
        return [Recommendation(c) for c in candidates][len(observed) :][:k]


@pytest.fixture
def watched() -> type[Watched]:
    Watched.shown.clear()
    Watched.told.clear()
    return Watched


def test_the_left_out_task_and_its_data_set_are_never_seen(watched):
    history = make_history(datasets=[0, 0, 1, 2, 2, 3])
    verdicts = leave_one_task_out(history, {"watched": watched}, budget=4).verdicts
    assert [v.task for v in verdicts] == list(history.tasks)
    assert [len(past.tasks) for past in watched.shown] == [4, 5, 4, 5]
    seen_by = dict(zip(["data:0", "data:1", "data:2", "data:3"], watched.shown, strict=True))
    for verdict in verdicts:
        past = seen_by[verdict.dataset]
        assert verdict.task not in past.tasks
        assert verdict.dataset not in past.datasets
        hidden = history.loss[history.task == history.tasks.index(verdict.task)]
        assert not set(hidden[np.isfinite(hidden)]) & set(past.loss)


def test_leaving_a_task_alone_keeps_the_others_of_its_data_set(watched):
    history = make_history(datasets=[0, 0, 1, 2, 2, 3])
    leave_one_task_out(history, {"watched": watched}, budget=1, leave="task")
    assert [len(past.tasks) for past in watched.shown] == [5] * 6


def test_a_recommender_is_told_the_loss_of_what_it_chose_and_nothing_else(watched):
    history = make_history()
    matrix = history.matrix()
    leave_one_task_out(history, {"watched": watched}, budget=9)
    for task, observed in watched.told:
        own = matrix[history.tasks.index(task)]
        for evaluation in observed:
            loss = own[history.configs.index(evaluation.trial.config)]
            assert evaluation.loss == (loss if np.isfinite(loss) else None)
            assert evaluation.status == ("ok" if np.isfinite(loss) else "failed")


def test_curves_are_the_regret_of_the_best_config_so_far():
    history = make_history()
    matrix = history.matrix()
    for v in leave_one_task_out(history, FAMILIES, budget=7).verdicts:
        own = matrix[history.tasks.index(v.task)]
        finite = own[np.isfinite(own)]
        found = [own[history.configs.ids.index(c)] for c in v.tried]
        assert len(v.best) == 7
        for step, best in enumerate(v.best, 1):
            reached = min(found[:step])
            expected = (reached - finite.min()) / (finite.max() - finite.min())
            assert best == pytest.approx(min(expected, 1.0))
        assert len(v.tried) == 7 or v.best[-1] == 0  # it is not asked on once the best is found
        assert len(v.suggest_s) == len(v.tried) == len(set(v.tried))
        assert v.fit_s > 0
        assert (v.suggest_s > 0).all()


def test_random_has_the_closed_form_regret_of_the_best_of_k_draws():
    """E min = sum_i r_(i) C(n - i, k - 1) / C(n, k), over sorted regrets, without replacement."""
    history = make_history(3, 8, seed=5)
    seeds = range(150)
    judged = leave_one_task_out(
        history, {"random": RECOMMENDERS["random"]}, budget=8, seeds=seeds, folds=2
    )
    for task, sheet in sheets_of(history)[0].items():
        curves = np.array([v.best for v in judged.verdicts if v.task == task])
        assert len(curves) == len(seeds)
        r, n = np.sort(sheet.regret), len(sheet.regret)
        for k in range(1, n + 1):
            expected = sum(r[i - 1] * comb(n - i, k - 1) for i in range(1, n + 1)) / comb(n, k)
            error = curves[:, k - 1].std() / np.sqrt(len(seeds))
            assert abs(curves[:, k - 1].mean() - expected) <= 4 * error + 1e-12, k


def test_one_seed_stands_for_all_where_the_advice_does_not_depend_on_it():
    verdicts = leave_one_task_out(make_history(), FAMILIES, budget=5, seeds=(3, 1, 4)).verdicts
    seeds = {n: {v.seeds for v in verdicts if v.recommender == n} for n in FAMILIES}
    assert seeds["portfolio"] == seeds["average_rank"] == {(3, 1, 4)}
    assert seeds["random"] == {(3,), (1,), (4,)}
    assert sum(v.recommender == "portfolio" for v in verdicts) == 6
    assert sum(v.recommender == "random" for v in verdicts) == 18


def test_each_task_is_judged_once_in_one_fold():
    history = make_history(9, datasets=[0, 0, 0, 1, 2, 3, 4, 5, 5])
    for folds in (None, 2, 3, 6, 50):
        parted = folds_of(history, history.tasks, folds)
        assert sorted(t for fold in parted for t in fold.judged) == sorted(history.tasks)
        assert len(parted) == min(folds or 6, 6)
        for fold in parted:
            hidden = [history.datasets[history.tasks.index(t)] for t in fold.hidden]
            others = [d for t, d in zip(history.tasks, history.datasets, strict=True) if t not in fold.hidden]  # fmt: skip
            assert not set(hidden) & set(others)
    sizes = sorted(len(fold.judged) for fold in folds_of(history, history.tasks, 3))
    assert sizes == [3, 3, 3]


def test_tasks_that_cannot_be_judged_are_counted_and_still_teach(watched):
    history = make_history()
    loss = history.loss.copy()
    loss[history.task == 1] = 0.5
    loss[history.task == 2] = np.inf
    judged = leave_one_task_out(replace(history, loss=loss), {"watched": watched}, budget=2)
    assert set(judged.dropped) == {"toy:1", "toy:2"}
    assert "same score" in judged.dropped["toy:1"]
    assert "fewer than two" in judged.dropped["toy:2"]
    assert {v.task for v in judged.verdicts} == {"toy:0", "toy:3", "toy:4", "toy:5"}
    assert all({"toy:1", "toy:2"} <= set(past.tasks) for past in watched.shown)


def test_only_the_largest_budget_of_a_config_counts():
    history = make_history(3, 4)
    early = replace(
        history,
        task=np.tile(history.task, 2),
        config=np.tile(history.config, 2),
        loss=np.concatenate([history.loss, -np.arange(len(history.loss), dtype=float)]),
        cost_s=np.tile(history.cost_s, 2),
        budget=np.repeat([1.0, 0.1], len(history.loss)),
    )
    for task, sheet in sheets_of(early)[0].items():
        assert sheet.regret.tolist() == sheets_of(history)[0][task].regret.tolist()
        assert sheet.candidates.ids == history.configs.ids


def test_a_budget_beyond_the_candidates_ends_with_them(watched):
    verdicts = leave_one_task_out(make_history(), {"watched": watched}, budget=1000).verdicts
    assert all(len(v.best) == 9 and v.best[-1] == 0 for v in verdicts)


class Stubborn(Watched):
    """Advises the first candidate again and again."""

    def recommend(self, task, k, *, observed=(), candidates=None):
        return [Recommendation(candidates[0])]


class Shy(Watched):
    """Refuses, or stops after two."""

    def recommend(self, task, k, *, observed=(), candidates=None):
        if task.id == "toy:0":
            raise NotFound("I know nothing of it")
        return [Recommendation(candidates[len(observed)])] if len(observed) < 2 else []


def test_advising_the_same_again_is_an_error_with_a_name():
    with pytest.raises(InvalidConfig, match=r"Stubborn advised .* was run already"):
        leave_one_task_out(make_history(), {"Stubborn": Stubborn}, budget=3)


def test_a_refusal_is_a_verdict_and_silence_keeps_what_was_reached():
    first, *others = leave_one_task_out(make_history(), {"shy": Shy}, budget=5).verdicts
    assert first.refused == "I know nothing of it"
    assert first.best.tolist() == [1.0] * 5
    for v in others:
        assert v.refused is None
        assert len(v.tried) <= 2
        assert v.best[2:].tolist() == [v.best[1]] * 3


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"budget": 0}, WrongUsage, "at least 1 configuration"),
        ({"jobs": 0}, WrongUsage, "jobs is 0"),
        ({"folds": 1}, WrongUsage, "folds is 1"),
        ({"seeds": ()}, WrongUsage, "at least one"),
        ({"seeds": (1, 1)}, WrongUsage, "none twice"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(options, error, said):
    with pytest.raises(error, match=said):
        leave_one_task_out(make_history(), FAMILIES, **options)


def test_a_history_too_small_to_leave_anything_out_is_refused():
    with pytest.raises(NotFound, match=r"has 1 task$"):
        leave_one_task_out(make_history(1), FAMILIES)
    with pytest.raises(NotFound, match="all 3 tasks are of one data set"):
        leave_one_task_out(make_history(3, datasets=[7, 7, 7]), FAMILIES)
    flat = replace(make_history(3), loss=np.zeros(27))
    with pytest.raises(NotFound, match=r"no task can be judged: all .* same score"):
        leave_one_task_out(flat, FAMILIES)


def test_what_was_judged_is_read_again_and_judged_no_more(tmp_path, watched):
    history = make_history()
    options = {"budget": 4, "seeds": (0, 1), "done": tmp_path}
    first = leave_one_task_out(history, {**FAMILIES, "watched": watched}, **options)
    fits = len(watched.shown)
    files = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    again = leave_one_task_out(history, {**FAMILIES, "watched": watched}, **options)
    assert said(again.verdicts) == said(first.verdicts)
    assert len(watched.shown) == fits
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == files
    # Other losses, another budget: nothing of it is taken for the same.
    other = replace(history, loss=history.loss[::-1].copy())
    fresh = leave_one_task_out(other, FAMILIES, budget=4, seeds=(0, 1))
    assert said(leave_one_task_out(other, FAMILIES, **options).verdicts) == said(fresh.verdicts)
    leave_one_task_out(history, {"watched": watched}, **options | {"budget": 5})
    assert len(watched.shown) == 2 * fits


def test_a_file_that_cannot_be_read_is_judged_anew(tmp_path):
    first = leave_one_task_out(make_history(), FAMILIES, budget=3, done=tmp_path)
    for nth, path in enumerate(sorted(tmp_path.iterdir())):
        path.write_bytes(path.read_bytes()[:100] if nth % 2 else b"")
    again = leave_one_task_out(make_history(), FAMILIES, budget=3, done=tmp_path)
    assert said(again.verdicts) == said(first.verdicts)
    assert all(parquet.read_table(p).num_rows for p in tmp_path.iterdir())


def test_processes_find_the_same_as_one(tmp_path):
    history = make_history()
    assert history.configs.x.shape[0] == 9  # encoded before it is sent
    heard: list[tuple[str, int, int | None]] = []
    options = {"budget": 5, "seeds": (0, 1), "folds": 4}
    one = leave_one_task_out(history, FAMILIES, **options)
    two = leave_one_task_out(
        history, FAMILIES, **options, jobs=2, done=tmp_path,
        heard=lambda what, done, total=None: heard.append((what, done, total)),
    )  # fmt: skip
    assert said(two.verdicts) == said(one.verdicts)
    last = {what: (done, total) for what, done, total in heard}
    assert set(last) == set(FAMILIES)
    assert all(done == total for done, total in last.values())


UNGUARDED = """
import numpy as np
from metadb.history import Configs, History
from recommenders import RECOMMENDERS
from recommenders.referee import leave_one_task_out

configs = Configs.of("large", [{f"x{j}": i + j / 10 for j in range(10)} for i in range(400)])
task, config = np.divmod(np.arange(1200), 400)
history = History("error_rate", ("a:1", "a:2", "a:3"), configs, task.astype(np.int32),
                  config.astype(np.int32), np.random.default_rng(0).random(1200), np.ones(1200),
                  np.ones(1200), {}, ("a:1", "a:2", "a:3"))
history.configs.x
leave_one_task_out(history, {"random": RECOMMENDERS["random"]}, budget=2, jobs=2)
"""


def test_a_script_without_a_main_guard_is_told_so_and_does_not_hang(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    said = ran.stderr.splitlines()  # what the interpreter says of its end may come after it
    assert any(line.endswith('under `if __name__ == "__main__":`') for line in said)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.recommenders.test_referee import FAMILIES, make_history
from recommenders.referee import leave_one_task_out
if __name__ == "__main__":
    leave_one_task_out(make_history(24, 40), FAMILIES, budget=30, done=Path(sys.argv[2]),
                       jobs=int(sys.argv[3]))
"""


def killed_midway(folder: Path, jobs: int, with_signal: int) -> subprocess.Popen[bytes]:
    """A process that judges, killed as soon as it has written some files."""
    root = str(Path(__file__).resolve().parents[2])
    script = folder / "script.py"
    script.write_text(SCRIPT)
    parts = folder / "parts"
    process = subprocess.Popen(
        [sys.executable, str(script), root, str(parts), str(jobs)],
        cwd=root, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(parts.glob("*.parquet"))) < 5 and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.005)
    os.kill(process.pid, with_signal)
    process.wait(60)
    return process


@pytest.fixture(scope="module")
def whole() -> Judgement:
    return leave_one_task_out(make_history(24, 40), FAMILIES, budget=30)


@pytest.mark.parametrize(("jobs", "with_signal"), [(2, signal.SIGKILL), (2, signal.SIGINT)])
def test_killed_midway_it_goes_on_and_leaves_no_process(tmp_path, jobs, with_signal, whole):
    process = killed_midway(tmp_path, jobs, with_signal)
    parts = tmp_path / "parts"
    deadline = time.monotonic() + 30
    while group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not group_lives(process.pid)
    before = {p.name for p in parts.glob("*.parquet")}
    assert 5 <= len(before) < 4 * 24
    resumed = leave_one_task_out(make_history(24, 40), FAMILIES, budget=30, done=parts)
    assert said(resumed.verdicts) == said(whole.verdicts)
    assert before < {p.name for p in parts.glob("*.parquet")}


def group_lives(group: int) -> bool:
    """Whether any process of the group that the killed one led runs still (zombies do not)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            return True
    return False


def test_verdicts_survive_the_way_through_a_table(tmp_path):
    verdicts = leave_one_task_out(make_history(), {**FAMILIES, "shy": Shy}, budget=4).verdicts
    table = to_table(verdicts)
    again = from_table(table)
    assert said(again) == said(verdicts)
    assert [v.suggest_s.tolist() for v in again] == [v.suggest_s.tolist() for v in verdicts]
    assert table.num_rows == sum(len(v.best) for v in verdicts)


def test_the_digest_of_a_history_feels_every_part_of_it():
    history = make_history()
    changed = [
        replace(history, metric="accuracy"),
        replace(history, loss=np.where(history.task == 3, history.loss + 1e-12, history.loss)),
        replace(history, cost_s=history.cost_s + 1),
        replace(history, budget=history.budget + 1),
        replace(history, tasks=("toy:x", *history.tasks[1:])),
        replace(history, datasets=("data:x", *history.datasets[1:])),
        replace(history, described={"nr_inst": history.described["nr_inst"] + 1}),
        replace(history, described={"nr_attr": history.described["nr_inst"]}),
        replace(history, configs=history.configs.take(range(8, -1, -1))),
    ]
    assert digest(make_history()) == digest(history)
    assert len({digest(h) for h in [history, *changed]}) == 1 + len(changed)


def test_an_edited_family_is_another_one(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "from own_family_part import VALUE\nclass Own:\n    fit = None\n"
    (tmp_path / "own_family_part.py").write_text("VALUE = 1\n")
    (tmp_path / "own_family.py").write_text(text)
    import own_family  # type: ignore[import-not-found]

    first = origin(own_family.Own)
    (tmp_path / "own_family.py").write_text(text + "# edited\n")
    edited = origin(own_family.Own)
    assert edited != first
    assert origin(RECOMMENDERS["random"]) != origin(RECOMMENDERS["portfolio"])
    assert origin(RECOMMENDERS["random"]) == origin(RECOMMENDERS["random"])
