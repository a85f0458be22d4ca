from __future__ import annotations

import fcntl
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.journal import Journal, orphans

LINES = [{"evaluations": [{"value": i, "run": "é日\x1f\n"}]} for i in range(5)]


def abandon(journal: Journal) -> None:
    """As a kill leaves it: the file stays, the lock is free."""
    journal._file.close()


def test_lines_come_back_as_they_went_in(tmp_path):
    journal = Journal(tmp_path / "journal")
    for line in LINES:
        journal.append(line)
    assert journal.lines() == LINES
    journal.append(LINES[0])
    assert journal.lines() == [*LINES, LINES[0]]
    journal.clear()
    assert journal.lines() == []
    journal.append(LINES[1])
    assert journal.lines() == [LINES[1]]


@given(cut=st.integers(0, 400))
def test_a_torn_end_loses_only_the_line_it_tore(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder)
    ends = []
    for line in LINES:
        journal.append(line)
        ends.append(journal._file.tell())
    abandon(journal)
    whole = journal.path.read_bytes()
    cut = min(cut, len(whole))
    journal.path.write_bytes(whole[:cut])
    assert [lines for _, lines in orphans(folder)] == [LINES[: sum(end <= cut for end in ends)]]
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "junk", [b"\x00\x00\x00\n", b"\xff\xfe\n", b"17\n", b"[]\n", b"\n", b"{\n"]
)
def test_a_damaged_line_is_passed_over(tmp_path, junk):
    journal = Journal(tmp_path)
    journal.append(LINES[0])
    abandon(journal)
    with journal.path.open("ab") as file:
        file.write(junk + json.dumps(LINES[1]).encode() + b"\n")
    assert [lines for _, lines in orphans(tmp_path)] == [LINES[:2]]


def test_the_journal_of_a_living_writer_is_left_alone(tmp_path):
    journal = Journal(tmp_path)
    journal.append(LINES[0])
    assert list(orphans(tmp_path)) == []
    assert journal.lines() == [LINES[0]]


def test_a_journal_is_locked_before_anybody_can_see_it(tmp_path, monkeypatch):
    seen = []

    def flock(file, how):
        seen.append(sorted(p.suffix for p in tmp_path.iterdir()))
        fcntl_flock(file, how)

    fcntl_flock = fcntl.flock
    monkeypatch.setattr("metadb.journal.fcntl.flock", flock)
    journal = Journal(tmp_path)
    assert seen == [[".part"]]
    assert journal.path.exists()
    assert list(orphans(tmp_path)) == []


def test_a_journal_whose_folding_fails_stays(tmp_path):
    journal = Journal(tmp_path)
    journal.append(LINES[0])
    abandon(journal)
    folding = orphans(tmp_path)
    next(folding)
    with pytest.raises(RuntimeError):
        folding.throw(RuntimeError)
    assert [lines for _, lines in orphans(tmp_path)] == [LINES[:1]]


def test_an_empty_journal_leaves_nothing_behind(tmp_path):
    journal = Journal(tmp_path)
    journal.close()
    assert not list(tmp_path.iterdir())
    journal = Journal(tmp_path)
    journal.append(LINES[0])
    journal.close()  # not folded yet: the next one to open the store does it
    assert [lines for _, lines in orphans(tmp_path)] == [LINES[:1]]


def test_a_full_disk_leaves_whole_lines(tmp_path):
    journal = Journal(tmp_path)
    journal.append(LINES[0])

    class Full:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            return self.file.write(data[:9])

    journal._file, kept = Full(journal._file), journal._file
    with pytest.raises(OSError, match="cannot grow"):
        journal.append(LINES[1])
    journal._file = kept
    journal.append(LINES[2])
    assert journal.lines() == [LINES[0], LINES[2]]


def test_a_journal_is_due_after_a_thousand_lines_or_a_second(tmp_path):
    journal = Journal(tmp_path)
    assert not journal.due
    for i in range(1000):
        assert not journal.due
        journal.append({"i": i})
    assert journal.due
    journal.clear()
    journal.append({"i": 0})
    assert not journal.due
    journal.oldest -= 1.0
    assert journal.due
