"""`metadb explain`: what stands behind a kept recommendation, told to people and as JSON."""

from __future__ import annotations

import json

import pytest

from api.advice import advise
from api.explaining import SHOWN, explain, explained, found
from api.terminal import Common
from metadb.errors import NotFound
from metadb.identity import config_id
from metadb.records import Because, Recommendation, Task
from tests.conftest import SPACE, block, config, evaluation, rows_of

TASKS = tuple(f"toy:task/{t}" for t in range(3))
NOW = "select regret from recommendation_tasks where recommendation = ? order by place"


def id_of(i):
    return config_id(SPACE, config(i))


def keep(store, *recommendations, task="toy:new", recommender="auto"):
    return store.record_recommendations(
        task, recommendations, space=SPACE, metric="accuracy", recommender=recommender
    )


@pytest.fixture
def said(capsys, path):
    """Explain something; returns what is printed."""

    def run(*words, as_json=False, **options):
        capsys.readouterr()
        assert explain(*words, **options, common=Common(store=path, json=as_json)) == 0
        out = capsys.readouterr().out
        return json.loads(out) if as_json else out

    return run


def filled(store):
    """Three tasks in two folds; config 1 is second best on the first and failed on the last."""
    values = {0: (0.9, 0.5, 0.2), 1: (0.8, 0.7, None), 2: (0.4, 0.6, 0.3)}
    store.add(rows_of([
        evaluation(task, i, value, fold=fold) | ({"status": "failed"} if value is None else {})
        for i, row in values.items() for task, value in zip(TASKS, row, strict=True)
        for fold in range(2)
    ]))  # fmt: skip


MIXED = Recommendation(
    config(1), 0.36, (0.05, 0.75), 0.31,
    Because(TASKS, (id_of(1),), "accuracy", (2.0, 1.0, 1.0), {"rgpe": 0.25, "portfolio": 0.75},
            "the sources hardly help"),
)  # fmt: skip


def test_people_are_told_all_that_is_known(store, said):
    filled(store)
    (id_,) = keep(store, MIXED)
    out = said(id_[:7])
    assert id_ in out
    assert "kernel=rbf" in out
    assert "expected regret 0.36 (0.05 to 0.75), 31 % likely within 1 % of the best" in out
    assert "trusting portfolio 75 %, rgpe 25 %" in out
    assert "note: the sources hardly help" in out
    assert "rests on 6 evaluations of 3 tasks" in out
    assert "evaluations 1" in out
    rows = [line.split() for line in out.splitlines() if "toy:task/" in line]
    assert [row[:-1] for row in rows] == [
        ["50", "%", "0.8", "0.20", "2", "of", "3"],
        ["25", "%", "0.7", "0.00", "1", "of", "3"],
        ["25", "%", "failed", "1.00", "3", "of", "3"],
    ]
    assert [row[-1] for row in rows] == list(TASKS)
    # (2 x 0.2 + 0 + 1 + 0.75) / 5.5, with an imagined task of weight 6 / 4; and (1 + 0.015) / 5.5
    assert "say: regret 0.39, 18 %" in out


def test_json_has_the_same_and_all_of_it(store, said):
    filled(store)
    (id_,) = keep(store, MIXED)
    answer = said(id_, as_json=True)
    assert answer["recommendation"] == id_
    assert answer["config"] == config(1)
    assert answer["interval"] == [0.05, 0.75]
    assert answer["members"] == {"rgpe": 0.25, "portfolio": 0.75}
    assert answer["note"] == "the sources hardly help"
    assert answer["reproducible"]
    assert not answer["agrees"]
    assert answer["expected_loss_by_sql"] == pytest.approx((0.4 + 1 + 0.75) / 5.5)
    assert answer["probability_by_sql"] == pytest.approx(1.015 / 5.5)
    assert [t["regret"] for t in answer["tasks"]] == pytest.approx([0.2, 0.0, 1.0])
    assert len(answer["evaluations"]) == 6
    assert answer["store_version"]["evaluations"] == 1


def test_without_an_id_it_is_the_last_one_asked(store, said):
    filled(store)
    keep(store, MIXED, task="toy:a")
    second = keep(store, Recommendation(config(0)), Recommendation(config(2)), task="toy:b")
    assert second[0] in said()
    assert second[1] in said(rank=2)
    assert "for task toy:a" in said(task="toy:a")
    assert "it rests on no evaluations" in said()
    with pytest.raises(NotFound, match="no recommendation number 3;"):
        said(rank=3)
    with pytest.raises(NotFound, match=r"no recommendation for task 'toy:c'; ask for one"):
        said(task="toy:c")


def test_an_id_that_is_none_or_that_of_several_is_said(store):
    filled(store)
    ids = keep(store, *[Recommendation(config(i)) for i in range(3)] * 6)
    with pytest.raises(NotFound, match="begins with 'xyz'"):
        found(store, "xyz")
    common = [i for i in ids if sum(j[0] == i[0] for j in ids) > 1]  # 18 ids, 16 first digits
    with pytest.raises(NotFound, match="begins the ids of several"):
        found(store, common[0][0])
    assert found(store, ids[4].upper()) == ids[4]
    with pytest.raises(NotFound, match="no recommendation 'xyz'"):
        explained(store, "xyz")


def test_an_empty_store_keeps_no_recommendation(store):
    with pytest.raises(NotFound, match="keeps no recommendation; ask for one"):
        found(store, None)


def test_it_speaks_of_the_store_as_it_was_then(store, said):
    filled(store)
    (id_,) = keep(store, MIXED)
    before = said(id_, as_json=True)
    store.add(rows_of([evaluation(task, 5, 1.0, fold=f) for task in TASKS for f in range(2)]))
    keep(store, MIXED)
    assert said(id_, as_json=True) == before
    now = store.sql(NOW, [id_])
    assert min(now.column("regret")) > 0  # there is a better one meanwhile
    store.compact()
    store.compact(keep_days=0)
    after = said(id_, as_json=True)
    assert not after["as_of_then"]
    assert [t["regret"] for t in after["tasks"]] == now.column("regret")
    assert "cannot be opened as it was then" in said(id_)


def test_what_a_surrogate_learnt_from_is_listed(store, said):
    store.add(block(0, 3))
    because = Because(TASKS[:2], (id_of(2), id_of(3)), "accuracy", (0.5, 0.25))
    keep(store, Recommendation({"C": 99.5, "kernel": "rbf"}, 0.2, (0.1, 0.4), 0.1, because))
    out = said()
    assert "none of the 2 tasks ran it" in out
    assert "67 %      -       -  not run  toy:task/0" in out
    assert "learnt from 2 configurations like it" in out
    assert "C=0.5, kernel=linear\n" in out  # config 2
    assert "C=0.75\n" in out  # config 3 has the same kernel
    answer = said(as_json=True)
    assert {(b["config"], b["task"]) for b in answer["behind"]} == {
        (id_of(i), task) for i in (2, 3) for task in TASKS[:2]
    }
    for b in answer["behind"]:
        (there,) = store.sql(
            "select regret from regrets where task = ? and config = ?", [b["task"], b["config"]]
        ).column("regret")
        assert b["regret"] == there


def test_a_long_list_is_cut_for_people_only(store, said):
    store.add(block(0, SHOWN + 5))
    tasks = tuple(f"toy:task/{t}" for t in range(SHOWN + 5))
    keep(store, Recommendation(config(1), because=Because(tasks, (id_of(1),), "accuracy")))
    out = said()
    assert out.count("toy:task/") == SHOWN
    assert "and 5 more (--json has them all)" in out
    assert "it came without an expectation" in out
    assert len(said(as_json=True)["tasks"]) == SHOWN + 5


def test_what_comes_from_outside_cannot_command_the_terminal(store, said):
    filled(store)
    keep(store, Recommendation(config(0), because=Because(note="red \x1b[31m")), task="a\x1bb")
    assert "\x1b" not in said()


def test_advice_shows_its_evidence_and_says_a_common_note_once(store, said):
    store.add(block(0, 4))
    advice = advise(store, Task("toy:new"), space=SPACE, k=3, recommender="portfolio")
    assert sum("rests on" in line for line in advice.lines()) == 3
    for shown, r in zip(advice.as_dict()["recommendations"], advice.recommendations, strict=True):
        assert shown["expected_loss"] == r.expected_loss
        assert shown["because"]["weights"] == list(r.because.weights)
        if r.interval is not None:
            assert shown["interval"] == list(r.interval)
            assert any(f"({r.interval[0]:.2f} to {r.interval[1]:.2f})" in s for s in advice.lines())
    explanation = explained(store, advice.ids[0])
    assert explanation.as_of_then
    assert [t["task"] for t in explanation.tasks] == list(advice.recommendations[0].because.tasks)


class Noting:
    """A family whose recommendations come with members and a note."""

    @classmethod
    def fit(cls, history, *, seed=0):
        fitted = cls()
        fitted.configs = history.configs
        return fitted

    def recommend(self, task, k, *, observed=(), candidates=None):
        notes = ["one task only"] * k if task.id == "toy:alike" else [f"note {i}" for i in range(k)]
        because = [Because(members={"a": 0.9, "b": 0.1}, note=note) for note in notes]
        return [
            Recommendation(self.configs[i], because=b) for i, b in enumerate(because)
        ]  # fmt: skip


def test_members_and_notes_are_told(store, monkeypatch):
    from recommenders import RECOMMENDERS

    monkeypatch.setitem(RECOMMENDERS, "noting", Noting)
    store.add(block(0, 4))
    alike = advise(store, Task("toy:alike"), space=SPACE, k=2, recommender="noting")
    assert alike.cautions.count("one task only") == 1
    assert not any("note:" in line for line in alike.lines())
    assert sum("trusting a 90 %, b 10 %" in line for line in alike.lines()) == 2
    each = advise(store, Task("toy:each"), space=SPACE, k=2, recommender="noting")
    assert [line.strip() for line in each.lines() if "note:" in line] == [
        "note: note 0",
        "note: note 1",
    ]
    shown = each.as_dict()["recommendations"][1]["because"]
    assert shown["members"] == {"a": 0.9, "b": 0.1}
    assert shown["note"] == "note 1"
