"""What a pull keeps: whole or not at all, for one process at a time, over kills and damage."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.openml.archive import LEDGER, Archive
from metadb.errors import Busy, DiskFull, MalformedFile, NotFound


def test_what_was_kept_is_found_again_with_its_address_and_hash(tmp_path: Path) -> None:
    with Archive(tmp_path / "a", {"server": "s"}) as archive:
        kept = archive.keep("json/x", "tasks", b"body", lasting=True, ids=[1])
        assert kept.sha256 == hashlib.sha256(b"body").hexdigest()
    with Archive(tmp_path / "a") as again:
        assert again.find("json/x") == kept
        assert again.body(kept) == b"body"
        assert again.id == archive.id
        assert again.about["server"] == "s"


def test_what_is_not_lasting_is_asked_anew_in_the_next_round_only(tmp_path: Path) -> None:
    with Archive(tmp_path / "a", {}) as archive:
        archive.keep("tail", "evaluations", b"1", lasting=False)
        archive.keep("full", "evaluations", b"2", lasting=True)
    with Archive(tmp_path / "a", {}) as archive:  # broken off: the same round goes on
        archive.begin()
        assert archive.find("tail") is not None
        archive.finish()
    with Archive(tmp_path / "a", {}) as archive:
        archive.begin()
        assert archive.find("tail") is None
        assert archive.answers[0].url == "tail"  # kept all the same
        assert archive.find("full") is not None


def test_a_listing_asked_anew_forgets_its_pages_and_no_others(tmp_path: Path) -> None:
    with Archive(tmp_path / "a", {}) as archive:
        archive.keep("page", "evaluations", b"1", lasting=True)
        archive.anew("mine")
    with Archive(tmp_path / "a", {}) as archive:
        assert archive.find("page", "mine") is None
        assert archive.find("page", "other") is not None


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_a_kill_cut_short_is_cut_off(tmp_path: Path, cut: int) -> None:
    with Archive(tmp_path / "a", {}) as archive:
        archive.keep("one", "tasks", b"1", lasting=True)
        archive.keep("two", "tasks", b"2", lasting=True)
    ledger = tmp_path / "a" / LEDGER
    ledger.write_bytes(ledger.read_bytes()[:-cut])
    with Archive(tmp_path / "a", {}) as archive:
        assert [answer.url for answer in archive.answers] == ["one"]
        assert archive.keep("two", "tasks", b"2", lasting=True).n == 2
    with Archive(tmp_path / "a", {}) as archive:
        assert [answer.url for answer in archive.answers] == ["one", "two"]


def test_a_damaged_answer_is_named(tmp_path: Path) -> None:
    with Archive(tmp_path / "a", {}) as archive:
        kept = archive.keep("one", "tasks", b"1" * 99, lasting=True)
        other = archive.keep("two", "tasks", b"2" * 99, lasting=True)
        archive.path(kept).write_bytes(archive.path(other).read_bytes())
        archive.path(other).write_bytes(b"nothing of the kind")
        for answer in (kept, other):
            with pytest.raises(MalformedFile, match=str(answer.file)):
                archive.body(answer)


def test_a_ledger_names_no_path(tmp_path: Path) -> None:
    with Archive(tmp_path / "a", {}) as archive:
        archive.keep("one", "tasks", b"1", lasting=True)
    ledger = tmp_path / "a" / LEDGER
    ledger.write_text(ledger.read_text().replace("0000001-tasks", "../../../etc/0000001-tasks"))
    with Archive(tmp_path / "a", {}) as archive:
        assert archive.path(archive.answers[0]).parent == tmp_path / "a" / "answers"


def test_two_processes_do_not_pull_into_one_folder(tmp_path: Path) -> None:
    with Archive(tmp_path / "a", {}):
        code = f"from ingest.openml.archive import Archive; from pathlib import Path; Archive(Path({str(tmp_path / 'a')!r}), {{}})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another process is pulling" in done.stderr
    with pytest.raises(Busy, match="another process"), Archive(tmp_path / "a", {}):
        Archive(tmp_path / "a", {})


def test_a_full_disk_is_said_in_one_sentence_and_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __init__(self, *args: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with Archive(tmp_path / "a", {}) as archive:
        archive.keep("one", "tasks", b"1", lasting=True)
        with monkeypatch.context() as patched:
            patched.setattr("pyarrow.CompressedOutputStream", Full)
            with pytest.raises(DiskFull, match="make room"):
                archive.keep("two", "tasks", b"2", lasting=True)
        assert archive.keep("two", "tasks", b"2", lasting=True).n == 2
    with Archive(tmp_path / "a", {}) as archive:
        assert [archive.body(a) for a in archive.answers] == [b"1", b"2"]


def test_a_folder_without_answers_and_a_broken_ledger_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="looked for"):
        Archive(tmp_path)
    (tmp_path / LEDGER).write_text("no ledger\n")
    with pytest.raises(MalformedFile, match=LEDGER):
        Archive(tmp_path)
