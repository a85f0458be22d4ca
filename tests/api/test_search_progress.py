"""What a search says of itself: on a terminal, elsewhere, and when it is to be quiet."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from api import search_progress as shown
from optimizers import RandomSearch, run
from optimizers.learners import classifier_space

LOSSES = [0.75, float("nan"), 0.25, 0.5]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def search(monkeypatch, stream, **how):
    monkeypatch.setattr(sys, "stderr", stream)
    with shown.search_progress(**how) as heard:
        run(RandomSearch(classifier_space()), lambda t: LOSSES[t.id], trials=4, callbacks=[heard])
    return stream.getvalue()


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_the_last_line_tells_trials_best_and_those_without_a_score(stream, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = search(monkeypatch, stream(), best=lambda loss: f"accuracy {1 - loss:.2f}")
    last = next(x for x in reversed(said.replace("\r", "\n").splitlines()) if "search" in x)
    assert "4 trials, best accuracy 0.75, 1 without a score (last, trial 1: " in last
    assert "nan" in last


def test_lines_come_at_their_times_with_the_time_left(monkeypatch):
    monkeypatch.setattr(shown, "EVERY_S", 0.0)
    lines = search(monkeypatch, io.StringIO()).splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"search: {n} trials" for n in (0, 1, 2, 3, 4, 4)
    ]
    assert all(line.endswith("s left") for line in lines[1:4])


def test_quiet_says_nothing_and_the_log_speaks_again_afterwards(monkeypatch, caplog):
    log = logging.getLogger("optimizers.loop")
    assert search(monkeypatch, Terminal(), quiet=True) == ""
    assert caplog.records == []
    assert not log.disabled
