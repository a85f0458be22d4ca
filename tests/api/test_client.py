"""The client is a recommender and a memory like those in the same process."""

from __future__ import annotations

import time

import pytest

from api.client import Client
from metadb.errors import InvalidRows, MetadbError, NotFound, Unreachable
from metadb.history import Configs
from metadb.metrics import Metric
from metadb.records import Evaluation, Task, Trial
from metadb.store import Store
from recommenders import RECOMMENDERS
from tests.api.server.conftest import TOKEN, fill, served
from tests.conftest import SPACE, config

NEW = Task("toy:new", metafeatures={"nr_inst": 500.0})


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    path = tmp_path_factory.mktemp("client") / "store"
    fill(path)
    with Store(path) as store:
        history = store.history(SPACE)
    with served(path, token=TOKEN, ahead=()) as url:
        yield path, url, history


@pytest.fixture(params=["portfolio", "nearest", "rgpe", "random"])
def both(request, past):
    """The client, and what it stands for."""
    _, url, history = past
    with Client(url, space=SPACE, recommender=request.param, seed=4) as client:
        yield client, RECOMMENDERS[request.param].fit(history, seed=4)


def test_it_advises_exactly_what_the_recommender_advises(both, past):
    client, here = both
    observed = [
        Evaluation(Trial(config(2), id=1), -0.5),
        Evaluation(Trial(config(3), id=2), None, status="failed"),
    ]
    candidates = past[2].configs.take([0, 2, 4, 5])
    assert client.recommend(NEW, 3) == here.recommend(NEW, 3)
    assert client.recommend(NEW, 20, observed=observed) == here.recommend(
        NEW, 20, observed=observed
    )
    assert client.recommend(NEW, 9, candidates=candidates) == here.recommend(
        NEW, 9, candidates=candidates
    )


def test_the_laws_of_recommenders_hold(both, past):
    client, _ = both
    configs = past[2].configs
    told = [Evaluation(Trial(configs[i], id=i), -0.5) for i in (0, 3, 7)]
    places = [configs.index(r.config) for r in client.recommend(NEW, 10, observed=told)]
    assert sorted(places) == [1, 2, 4, 5, 6]
    every = [Evaluation(Trial(c, id=i), -0.5) for i, c in enumerate(configs)]
    assert client.recommend(NEW, 5, observed=every) == []
    assert client.recommend(NEW, 5)[:2] == client.recommend(NEW, 2)
    assert client.recommend(NEW, 3, candidates=Configs.of(SPACE, [{"C": -1.0}])) == []


def test_what_it_records_is_in_the_store(past):
    from ConfigSpace import ConfigurationSpace, Float

    path, url, _ = past
    space = ConfigurationSpace(space={"lr": Float("lr", (0.1, 1.0))}, name="mine")
    mine = Metric("mine", lower_is_better=True)
    with Client(url, TOKEN, space=SPACE, metric="accuracy") as client:
        run = client.record(NEW, config(1), value=0.5, cost_s=1.5)
        client.record(NEW, config(2), status="failed")
        client.record(NEW, {"lr": 0.5}, space=space, metric=mine, value=9.0, run="r", budget=0.5)
        with pytest.raises(InvalidRows):
            client.record(NEW, {"lr": 5.0}, space=space, metric=mine, value=9.0)
        with pytest.raises(InvalidRows):
            client.record(NEW, config(1), value=float("nan"))
    wrong = Client(url, "wrong", space=SPACE, metric="accuracy")
    with wrong, pytest.raises(MetadbError, match="token"):
        wrong.record(NEW, config(1), value=0.5)
    # A server that was stopped would have folded it in; this one does so within a second.
    until = time.monotonic() + 60
    while True:
        with Store(path) as store:
            found = list(store.sql("select * from losses where task = 'toy:new' order by value"))
            if len(found) == 3:
                break
        assert time.monotonic() < until
        time.sleep(0.1)
    assert [row["value"] for row in found] == [0.5, 9.0, None]
    assert [row["space"] for row in found] == [SPACE, "mine", SPACE]
    assert run


def test_errors_are_those_of_the_house(past):
    with Client(past[1], space="nothing", recommender="random") as client:
        with pytest.raises(NotFound, match="svm"):
            client.recommend(NEW, 3)
        with pytest.raises(NotFound):
            client.explain("abcdef")
    with Client(past[1]) as client, pytest.raises(InvalidRows, match="space"):
        client.recommend(NEW, 3)
    with Client("http://127.0.0.1:1", space=SPACE) as client, pytest.raises(Unreachable):
        client.recommend(NEW, 3)
