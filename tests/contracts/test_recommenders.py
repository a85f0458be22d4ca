"""Laws that every recommender keeps; the members come from the registry."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders import RECOMMENDERS

N_TASKS, N_CONFIGS = 8, 15


def make_history(seed: int = 0, *, share: float = 1.0, failed: float = 0.0) -> History:
    """A random history; `share` of the pairs are run, `failed` of those fail."""
    rng = np.random.default_rng(seed)
    configs = Configs.of("toy", [{"x": float(i), "kind": "ab"[i % 2]} for i in range(N_CONFIGS)])
    task, config = np.nonzero(rng.random((N_TASKS, N_CONFIGS)) < share)
    loss = rng.random(len(task))
    loss[rng.random(len(task)) < failed] = np.inf
    tasks = tuple(f"toy:{i}" for i in range(N_TASKS))
    return History(
        "error_rate", tasks, configs, task.astype(np.int32), config.astype(np.int32), loss,
        np.ones(len(task)), np.ones(len(task)),
        {"nr_inst": rng.random(N_TASKS) * 1000, "nr_class": np.arange(N_TASKS) % 3 + 2.0}, tasks,
    )  # fmt: skip


NEW = Task("toy:new", metafeatures={"nr_inst": 500.0, "nr_class": 3.0})


def told(history: History, *places: int) -> list[Evaluation]:
    return [Evaluation(Trial(history.configs[i], id=i), 0.5) for i in places]


CASES = {"full": (1.0, 0.0), "gaps and failures": (0.6, 0.2)}


def history_of(case: str) -> History:
    share, failed = CASES[case]
    return make_history(share=share, failed=failed)


@pytest.fixture(scope="module", params=CASES)
def history(request):
    return history_of(request.param)


@pytest.fixture(scope="module")
def fitted(history):
    """Each recommender fitted once, as what was fitted is frozen: advice changes nothing in it."""
    return cache(lambda name: RECOMMENDERS[name].fit(history, seed=4))


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_advice_repeats_nothing_observed_and_nothing_advised(name, history, fitted):
    advice = fitted(name).recommend(NEW, 10, observed=told(history, 0, 3, 7))
    places = [history.configs.index(r.config) for r in advice]
    assert 0 < len(places) <= 10
    assert len(set(places)) == len(places)
    assert not {0, 3, 7} & set(places)


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_advice_comes_from_the_candidates(name, history, fitted):
    candidates = history.configs.take([2, 5, 11])
    advice = fitted(name).recommend(NEW, 10, candidates=candidates)
    assert {history.configs.index(r.config) for r in advice} <= {2, 5, 11}
    assert advice


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_of_an_only_candidate_no_more_is_promised_than_is_known(name, history, fitted):
    (advice,) = fitted(name).recommend(NEW, 3, candidates=history.configs.take([4]))
    low, high = advice.interval
    assert high - low > 0.1, "losses on past tasks were drawn at random"
    assert low <= advice.expected_loss <= high
    assert 0 < advice.probability < 0.6


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_a_candidate_that_nobody_knows_is_not_advised(name, history, fitted):
    unknown = Configs.of("toy", [{"x": -1.0, "kind": "a"}])
    assert fitted(name).recommend(NEW, 3, candidates=unknown) == []


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_the_same_seed_gives_the_same_advice(name, history, fitted, request):
    first = fitted(name).recommend(NEW, 6)
    anew = history_of(request.node.callspec.params["history"])  # nothing of the first is known
    assert RECOMMENDERS[name].fit(anew, seed=4).recommend(NEW, 6) == first
    assert len(first) == 6


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_more_advice_begins_with_less_advice(name, fitted):
    assert fitted(name).recommend(NEW, 7)[:3] == fitted(name).recommend(NEW, 3)


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_when_all_is_run_there_is_nothing_to_advise(name, history, fitted):
    observed = told(history, *range(N_CONFIGS))
    assert fitted(name).recommend(NEW, 5, observed=observed) == []


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_advice_rests_on_tasks_that_ran_the_config(name, history, fitted):
    matrix = history.matrix()
    for r in fitted(name).recommend(NEW, 6):
        place = history.configs.index(r.config)
        assert set(r.because.configs) <= {history.configs.ids[place]}
        for task in r.because.tasks:
            assert not np.isnan(matrix[history.tasks.index(task), place])


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_what_is_left_out_leaves_no_trace(name, history):
    """Changing a task's losses changes nothing that is learnt without the task."""
    task = history.tasks[2]
    changed = History(
        **{f: getattr(history, f) for f in history.__dataclass_fields__}
        | {"loss": np.where(history.task == 2, 1 - history.loss, history.loss)}
    )
    asked = history.described_task(task)
    one, two = (
        RECOMMENDERS[name].fit(h.without(task)).recommend(asked, 5) for h in (history, changed)
    )
    assert one == two
    assert all(task not in r.because.tasks for r in one)


@pytest.mark.parametrize("name", sorted(set(RECOMMENDERS) - {"random", "cold"}))
def test_a_config_that_is_best_everywhere_comes_first(name):
    history = make_history(3)
    loss = np.where(history.config == 9, -1.0, history.loss)
    better = History(
        **{f: getattr(history, f) for f in history.__dataclass_fields__} | {"loss": loss}
    )
    assert RECOMMENDERS[name].fit(better).recommend(NEW, 1)[0].config == history.configs[9]


@pytest.mark.parametrize("name", sorted(set(RECOMMENDERS) - {"random", "cold"}))
def test_a_config_that_fails_everywhere_is_never_first(name):
    history = make_history(3)
    loss = np.where(history.config == 9, np.inf, history.loss)
    worse = History(
        **{f: getattr(history, f) for f in history.__dataclass_fields__} | {"loss": loss}
    )
    advice = RECOMMENDERS[name].fit(worse).recommend(NEW, N_CONFIGS - 1)
    assert history.configs[9] not in [r.config for r in advice]


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_a_past_of_one_evaluation_is_learnt_from(name):
    one, place = np.ones(1), np.zeros(1, np.int32)
    configs = Configs.of("s", [{"rate": 0.1}])
    history = History("loss", ("t:0",), configs, place, place, 0.5 * one, one, one)
    (advice,) = RECOMMENDERS[name].fit(history).recommend(Task("t:1"), 3)
    assert advice.config == {"rate": 0.1}
