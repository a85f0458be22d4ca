"""Auto trusts what taught something on past tasks, says whom, and lets no stranger speak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders import auto
from recommenders.auto import MEMBERS, Auto, hopeful, unlike
from recommenders.cold import Cold
from recommenders.trust import LEAST, Correction, Lesson

N_TASKS, N_CONFIGS = 12, 40
X = np.random.default_rng(0).random((N_CONFIGS, 2)).round(4)
NEW = Task("hill:new", metafeatures={"a": 0.7, "b": 0.3})


def hill(peak) -> np.ndarray:
    """Losses of all configs on tasks whose best config lies at the peaks, (tasks, configs)."""
    return ((X[None] - np.reshape(peak, (-1, 1, 2))) ** 2).sum(-1)


def peaks(n: int, seed: int) -> np.ndarray:
    return np.array([0.7, 0.3]) + np.random.default_rng(seed).normal(0, 0.1, (n, 2))


def history_of(loss, configs: Configs, peak, name: str = "hill") -> History:
    task, config = (a.astype(np.int32) for a in np.nonzero(~np.isnan(loss)))
    one = np.ones(len(task))
    tasks = tuple(f"{name}:{i}" for i in range(len(loss)))
    described = {"a": peak[:, 0], "b": peak[:, 1]}
    return History(
        "error_rate", tasks, configs, task, config, loss[task, config], one, one, described, tasks
    )


HILL = Configs.of("hill", [{"a": float(a), "b": float(b)} for a, b in X])
PEAKS = peaks(N_TASKS, 1)
SMOOTH = history_of(hill(PEAKS), HILL, PEAKS)
# By chance 3 of 10 shuffled histories look as if they taught something (see test_trust); the mean
# skill in this one is 1.6 standard errors below 0.
SHUFFLED = history_of(np.random.default_rng(3).permuted(hill(PEAKS), axis=1), HILL, PEAKS)
SMALL = history_of(hill(PEAKS[:5])[:, :12], HILL.take(range(12)), PEAKS[:5])


@pytest.fixture(scope="module")
def smooth() -> Auto:
    return Auto.fit(SMOOTH)


@pytest.fixture(scope="module")
def shuffled() -> Auto:
    return Auto.fit(SHUFFLED)


@pytest.fixture(scope="module")
def small() -> Auto:
    return Auto.fit(SMALL)


def told(loss, *places: int, configs: Configs = HILL) -> list[Evaluation]:
    return [Evaluation(Trial(configs[i], id=i), float(loss[i])) for i in places]


def picks(advice, configs: Configs = HILL) -> list[int | None]:
    return [configs.index(r.config) for r in advice]


def test_members_say_what_share_each_had(smooth, shuffled):
    seen = told(hill([0.7, 0.3])[0], 0, 5, 9)
    for fitted in (smooth, shuffled):
        for observed in ([], seen):
            for r in fitted.recommend(NEW, 4, observed=observed):
                assert sum(r.because.members.values()) == pytest.approx(1)
                assert set(r.because.members) <= set(MEMBERS)
                assert all(share > 0 for share in r.because.members.values())
                low, high = r.interval
                assert 0 <= low <= r.expected_loss <= high <= 1
                assert 0 <= r.probability <= 1


def test_a_history_with_structure_is_trusted(smooth):
    trust = smooth.lesson.trust
    assert trust["nothing seen"]["cold"] == 0
    assert trust["a few results"]["cold"] < 0.1
    assert all(sum(shares.values()) == pytest.approx(1) for shares in trust.values())
    advice = smooth.recommend(NEW, 1)[0]
    assert "cold" not in advice.because.members
    assert set(advice.because.tasks) <= set(SMOOTH.tasks)
    assert advice.because.tasks


def test_with_structure_the_first_three_beat_three_drawn(smooth):
    found, drawn = [], []
    rng = np.random.default_rng(7)
    for peak in peaks(6, 8):
        loss = hill(peak)[0]
        regret = (loss - loss.min()) / np.ptp(loss)
        task = Task(f"hill:new/{peak[0]}", metafeatures={"a": peak[0], "b": peak[1]})
        found.append(regret[picks(smooth.recommend(task, 3))].min())
        drawn += [rng.choice(regret, 3, replace=False).min() for _ in range(200)]
    assert np.mean(found) < 0.3 * np.mean(drawn)
    assert np.mean(found) < 0.03


def test_where_scores_are_shuffled_the_cold_search_alone_is_trusted(shuffled):
    for shares in shuffled.lesson.trust.values():
        assert shares["cold"] == 1
        assert sum(shares.values()) == 1


@pytest.mark.parametrize("n", [0, 1, 4, 7, 13])
def test_where_scores_are_shuffled_advice_is_that_of_the_cold_search(shuffled, n):
    observed = told(hill([0.7, 0.3])[0], *range(n))
    cold = Cold.fit(SHUFFLED).recommend(NEW, 4, observed=observed)
    advice = shuffled.recommend(NEW, 4, observed=observed)
    assert picks(advice) == picks(cold)
    assert all(r.because.members == {"cold": 1.0} for r in advice)
    assert not any(r.because.tasks for r in advice)


def test_where_cold_draws_it_promises_what_drawing_brings(shuffled):
    loss = SHUFFLED.matrix()
    low, high = loss.min(axis=1, keepdims=True), loss.max(axis=1, keepdims=True)
    regret = (loss - low) / (high - low)
    said = shuffled.recommend(NEW, 1)[0]
    assert said.expected_loss == pytest.approx(regret.mean(), abs=0.15)


@pytest.mark.parametrize("seen", [(), (0,), (3, 4, 8), tuple(range(6))])
def test_more_advice_begins_with_less_advice(small, seen):
    observed = told(hill([0.6, 0.4])[0], *seen)
    seven = small.recommend(NEW, 7, observed=observed)
    if len(seen) < 6:
        assert len(seven) == 7
    for k in (0, 1, 3, 6):
        assert small.recommend(NEW, k, observed=observed) == seven[:k]
    assert not set(picks(seven)) & set(seen)
    assert len(set(picks(seven))) == len(seven)


def test_an_equal_history_and_seed_give_equal_advice(small):
    """Judged anew: nothing that is remembered is of this object."""
    again = Auto.fit(replace(SMALL))
    assert again.lesson == small.lesson
    observed = told(hill([0.6, 0.4])[0], 2, 6)
    for seen in ([], observed):
        assert again.recommend(NEW, 5, observed=seen) == small.recommend(NEW, 5, observed=seen)


OTHER = [{"c": float(i), "d": float(i % 3)} for i in range(8)]


def glued(seed: int) -> History:
    """Five tasks of hills, and three of another collection with other hyperparameters."""
    loss = np.full((8, 20), np.nan)
    loss[:5, :12] = SMALL.matrix()
    loss[5:, 12:] = np.random.default_rng(seed).random((3, 8))
    configs = Configs.of("both", [*SMALL.configs, *OTHER])
    return history_of(loss, configs, np.vstack([PEAKS[:5], np.full((3, 2), 0.5)]))


STRANGERS = ("hill:5", "hill:6", "hill:7")


def test_tasks_of_another_collection_are_left_out():
    one = glued(0)
    ours, theirs = one.configs.take(range(12)), one.configs.take(range(12, 20))
    assert unlike(one, ours) == STRANGERS
    assert unlike(one, theirs) == one.tasks[:5]
    assert unlike(one, one.configs) == ()
    assert unlike(one, one.configs.take([0, 19])) == ()


def test_what_other_collections_say_changes_no_advice():
    observed = told(hill([0.6, 0.4])[0], 1, 5)
    said = []
    for history in (glued(0), glued(1)):
        fitted, ours = Auto.fit(history), history.configs.take(range(12))
        said.append([
            fitted.recommend(NEW, 4, observed=seen, candidates=ours) for seen in ([], observed)
        ])  # fmt: skip
    assert said[0] == said[1]
    first = said[0][0]
    assert all("3 past tasks ran only other hyperparameters" in r.because.note for r in first)
    assert not any(set(r.because.tasks) & set(STRANGERS) for r in first)
    assert any(r.because.tasks for r in first)
    alone = Auto.fit(glued(0).without(*STRANGERS)).recommend(NEW, 4, candidates=ours)
    assert [r.config for r in alone] == [r.config for r in first]


def test_where_nobody_ran_the_like_the_cold_search_decides_and_it_says_so():
    strangers = glued(0).without(*glued(0).tasks[:5])
    ours = strangers.configs.take(range(12))
    observed = told(hill([0.6, 0.4])[0], 0, 1, 4, 7)
    fitted = Auto.fit(strangers)
    for seen in ([], observed):
        advice = fitted.recommend(NEW, 3, observed=seen, candidates=ours)
        cold = Cold.fit(strangers).recommend(NEW, 3, observed=seen, candidates=ours)
        assert [r.config for r in advice] == [r.config for r in cold]
        for r, other in zip(advice, cold, strict=True):
            assert r.because.members == {"cold": 1.0}
            assert not r.because.tasks
            assert "no past task ran configurations like these" in r.because.note
            assert r.expected_loss == other.expected_loss


def test_what_failed_wherever_it_was_run_is_not_advised_while_others_are_left():
    loss = np.where(SMALL.config == 3, np.inf, SMALL.loss)
    once = np.where((SMALL.config == 5) & (SMALL.task == 0), np.inf, loss)
    history = replace(SMALL, loss=once)
    fitted = Auto.fit(history)
    advised = picks(fitted.recommend(NEW, 12))
    assert sorted(advised) == [0, 1, 2, *range(4, 12)]  # and 5, that failed once
    assert picks(fitted.recommend(NEW, 2, candidates=HILL.take([3]))) == [3]
    assert hopeful(history, history.configs).ids == HILL.take([*range(3), *range(4, 12)]).ids
    failed = [Evaluation(Trial(HILL[i]), None, status="failed") for i in (0, 1, 2)]
    assert 3 not in picks(fitted.recommend(NEW, 12, observed=failed))


def test_nothing_is_hopeless_where_all_failed_or_nothing_was_run():
    failed = replace(SMALL, loss=np.full(len(SMALL), np.inf))
    assert hopeful(failed, failed.configs) is failed.configs
    bare = SMALL.without(*SMALL.tasks)
    assert hopeful(bare, bare.configs) is bare.configs


def test_of_very_many_those_best_on_their_tasks_are_asked_about(monkeypatch):
    monkeypatch.setattr(auto, "SHORT", 6)
    history = replace(SMALL)
    alike = Auto(history, {"cold": Cold.fit(history)}, Lesson.of({"cold": 1.0}))
    rank = SMALL.matrix().argsort(axis=1).argsort(axis=1).min(axis=0)  # its best, (configs,)
    kept = [SMALL.configs.texts.index(text) for text in alike._shortlist().texts]
    assert len(kept) == 6
    assert max(rank[kept]) <= min(np.delete(rank, kept))
    assert sorted(picks(alike.recommend(NEW, 12))) == sorted(kept)
    named = alike.recommend(NEW, 12, candidates=history.configs)  # who names some means all
    assert len(named) == 12


def test_the_short_list_of_one_history_is_not_that_of_another(monkeypatch):
    """What was left out (`without` keeps the configs) may not choose what is asked about."""
    monkeypatch.setattr(auto, "SHORT", 1)
    configs = HILL.take(range(12))
    for best in (4, 7):
        loss = np.where(SMALL.config == best, -1.0, SMALL.loss)
        history = replace(SMALL, configs=configs, loss=loss)
        fitted = Auto(history, {"cold": Cold.fit(history)}, Lesson.of({"cold": 1.0}))
        assert picks(fitted.recommend(NEW, 1)) == [best]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_with_too_few_tasks_to_judge_all_are_trusted(n):
    history = SMALL.without(*SMALL.tasks[n:])
    fitted = Auto.fit(history)
    if n == 0:  # nothing to learn from: a search without transfer
        assert [*fitted.members] == ["cold"]
        assert picks(fitted.recommend(NEW, 5)) == picks(Cold.fit(history).recommend(NEW, 5))
        return
    for phase, shares in fitted.lesson.trust.items():
        assert [*shares] == [*MEMBERS]
        assert shares["cold"] == LEAST
        assert all(share >= 1 for name, share in shares.items() if name != "cold")
        assert fitted.lesson.correction[phase] == Correction()
    for observed in ([], told(hill([0.6, 0.4])[0], 0, 1, 4, 7)):
        advice = fitted.recommend(NEW, 5, observed=observed)
        assert len(advice) == 5
        for r in advice:
            assert sum(r.because.members.values()) == pytest.approx(1)
            assert 0 <= r.expected_loss <= 1
            assert set(r.because.tasks) <= set(history.tasks)
    if n == 1:
        assert picks(fitted.recommend(NEW, 1)) == [int(SMALL.matrix()[0].argmin())]


def test_of_no_candidates_none_is_advised(small):
    assert small.recommend(NEW, 3, candidates=HILL.take([])) == []
    assert small.recommend(NEW, 3, observed=told(hill([0.6, 0.4])[0], *range(12))) == []


def test_a_space_without_hyperparameters_is_like_itself():
    configs = Configs.of("default", [{}])
    history = history_of(np.array([[0.1], [0.2]]), configs, PEAKS[:2])
    assert unlike(history, configs) == ()
