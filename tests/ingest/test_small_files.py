"""Whatever becomes of a small file's bytes, its reader says one sentence or gives rows that fit."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import small_files, source
from ingest.small_files import read_json, read_records
from metadb.admission import fit
from metadb.errors import InvalidRows, MalformedFile, MetadbError, NotFound
from metadb.schema import TABLES

Tiny = Callable[[str], Path]

BYTES = [
    b"",
    b",",
    b"[",
    b"]",
    b"{",
    b"}",
    b"null",
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"'",
    b'"',
]
BYTES += [b"\0", b"\n", b"\r", b"\xff", b"?", b"true", b"x", b"\xef\xbb\xbf"]


def damage(file: Path, rng: random.Random) -> None:
    """Some bytes of a file replaced; of a zip, those of its member."""
    archived = file.suffix == ".zip" and rng.random() < 0.8
    if archived:
        with zipfile.ZipFile(file) as archive:
            content = archive.read(archive.infolist()[0])
    else:
        content = file.read_bytes()
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(content) + 1)
        end = start + rng.choice([0, 1, 1, 2, 5, 30])
        content = content[:start] + rng.choice(BYTES) + content[end:]
    if archived:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("table", content)
    else:
        file.write_bytes(content)


@pytest.mark.parametrize("name", ["lcdb", "lcdb-history", "autosklearn", "hp-transfer"])
def test_damaged_bytes_give_one_sentence_or_rows_that_fit(name: str, tiny: Tiny) -> None:
    rng = random.Random(name)
    said = set()
    for _ in range(150):
        folder = tiny(name)
        damage(rng.choice(sorted(p for p in folder.rglob("*") if p.is_file())), rng)
        said.add(complaint(name, folder))
    assert None in said  # some damage is a matter of taste
    assert len(said) > 10
    assert not [text for text in said if text is not None and (not text or "\n" in text)]


def complaint(name: str, folder: Path) -> str | None:
    """What a source says of a folder; None where its rows fit the tables."""
    one = source(name, [folder])
    try:
        for path in one.fetch(folder):
            for rows in one.parse(path):
                for table, content in rows.tables.items():
                    fit(TABLES[table], content)
    except InvalidRows:
        raise
    except MetadbError as error:
        return str(error)
    return None


def test_a_large_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_files, "MAX_BYTES", 100)
    (tmp_path / "large.json").write_text("[" + "0," * 60 + "0]")
    with pytest.raises(MalformedFile, match=r"large\.json is larger than 100 bytes"):
        read_json(tmp_path / "large.json")
    with pytest.raises(NotFound, match="there is no file"):
        read_json(tmp_path / "nowhere.json")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "marked.csv").write_text('\ufeffid,name\n1,"a, b"\n', encoding="utf-8")
    assert read_records(tmp_path / "marked.csv", ("id",)) == [{"id": "1", "name": "a, b"}]
