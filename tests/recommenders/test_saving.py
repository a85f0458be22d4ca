"""Saved and loaded, a recommender says the same; whatever was changed in between is noticed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from metadb.encoding import encoding
from metadb.errors import MalformedFile, MetadbError, NotFound
from metadb.history import Configs
from recommenders import RECOMMENDERS
from recommenders.saving import FORMAT, MANIFEST, _sealed, load, read_about, save
from tests.contracts.test_recommenders import NEW, make_history, told

HISTORY = make_history(share=0.7, failed=0.1)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a recommender of a user may hold."""

    numbers: NDArray[np.float64]
    text: str = ""
    more: Any = None
    cache: dict[str, int] = field(default_factory=dict, init=False)


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """Two fields that may hold the same."""

    one: Part
    two: Part
    configs: Configs | None = None


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "saved"


def reseal(folder: Path, change) -> None:
    """Change the manifest as someone would who knows how it is sealed."""
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["sha256"]
    change(manifest)
    (folder / MANIFEST).write_bytes(_sealed(manifest))


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_a_loaded_recommender_gives_the_same_advice(name, folder):
    fitted = RECOMMENDERS[name].fit(HISTORY, seed=3)
    save(fitted, folder)
    loaded = load(folder)
    assert type(loaded) is type(fitted)
    observed = told(HISTORY, 1, 4)
    candidates = HISTORY.configs.take([2, 5, 9, 11])
    for more in ({}, {"observed": observed}, {"observed": observed, "candidates": candidates}):
        assert loaded.recommend(NEW, 4, **more) == fitted.recommend(NEW, 4, **more)
    save(loaded, folder)  # what was loaded can be saved again
    assert load(folder).recommend(NEW, 4) == fitted.recommend(NEW, 4)


def test_every_kind_of_value_comes_back_as_it_was(folder):
    shared = Part(np.arange(6.0).reshape(2, 3)[:, ::2], "x" * 5000)  # not contiguous
    odd = {
        "": (1, 1.0, True, None, float("inf"), -0.0, 2**80, "\ud800 é\r\n\u2028"),
        "arrays": [np.zeros((0, 3)), np.array(2.5), np.arange(3, dtype=">i4"), np.ones(2, bool)],
        "many": tuple(f"line {i}\n\r\u0085 {'y' * i}" for i in range(60)),
        ("a", 2): {"float16": np.float16(0.5), "nan": float("nan")},
    }
    whole = Whole(shared, Part(np.empty(0), more=(odd, shared)))
    save(whole, folder, also=[Whole, Part])
    back = load(folder, also=[Whole, Part])
    assert back.two.more[1] is back.one
    np.testing.assert_array_equal(back.one.numbers, shared.numbers)
    back.one.numbers[0, 0] = 7.0  # an array of one's own
    assert back.one.text == shared.text
    found = back.two.more[0]
    assert list(found) == list(odd)
    assert found[""] == odd[""]
    assert [type(v) for v in found[""]] == [type(v) for v in odd[""]]
    assert str(found[""][5]) == "-0.0"
    assert found["many"] == odd["many"]
    for one, other in zip(found["arrays"], odd["arrays"], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype.newbyteorder("=")
        assert one.shape == other.shape
    assert np.isnan(found["a", 2]["nan"])


def test_an_inferred_space_stays_that_of_all_configs(folder):
    rng = np.random.default_rng(0)
    configs = Configs.of("toy", [
        {"lr": float(10 ** rng.uniform(-4, 1)), "n": int(rng.integers(1, 1000)), "flag": i % 2 == 0}
        | ({"degree": int(i % 5)} if i % 3 else {"kernel": "abc"[i % 2]})
        for i in range(40)
    ])  # fmt: skip
    some = configs.take([3, 1, 20])
    save(Whole(Part(np.ones(1)), Part(np.ones(1)), some), folder, also=[Whole])
    back = load(folder, also=[Whole]).configs
    np.testing.assert_array_equal(back.x, configs.x[[3, 1, 20]])
    np.testing.assert_array_equal(encoding(back.space).encode(configs.values), configs.x)
    assert (back.ids, back.texts) == (some.ids, some.texts)


def test_what_was_said_about_it_is_told(folder):
    save(RECOMMENDERS["random"].fit(HISTORY), folder, about={"store_version": "17"})
    assert read_about(folder) == {"store_version": "17"}


def test_saving_again_replaces_and_leaves_nothing_over(folder):
    save(Whole(Part(np.ones(3)), Part(np.ones(4))), folder, also=[Whole])
    (folder / f"{'0' * 32}.part").write_text("of a writer that was killed")
    (folder / "README.md").write_text("mine")
    save(Whole(Part(np.ones(5)), Part(np.ones(6))), folder, also=[Whole])
    assert len(load(folder, also=[Whole]).one.numbers) == 5
    suffixes = sorted(path.suffix for path in folder.iterdir())
    assert suffixes == [".json", ".md", ".safetensors"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Part(np.ones(2), more=object()), r"recommender\.more is a builtins\.object"),
        (Part(np.array(["a"])), r"recommender\.numbers is an array of <U1"),
        (Part(np.array([None])), "array of object"),
        (Part(np.arange(3)), r"numbers is a ndarray, and not what Part declares"),
        (Part(np.ones(2), text=3), r"text is a int"),
        (Part(np.ones(2), more=[{"a": {1, 2}}]), r"more\[0\]\['a'\] is a builtins\.set"),
        ([1, 2], "list is no fitted recommender"),
        (make_history, "function"),
    ],
)  # fmt: skip
def test_what_needs_pickle_is_refused_and_nothing_is_written(folder, value, said):
    with pytest.raises(MetadbError, match=said):
        save(value, folder, also=[Part])
    assert not folder.exists()


def test_a_class_that_is_not_registered_is_neither_written_nor_made(folder):
    whole = Whole(Part(np.ones(1)), Part(np.ones(1)))
    with pytest.raises(MetadbError, match=r"test_saving\.Whole, which cannot be saved"):
        save(whole, folder)
    save(whole, folder, also=[Whole])
    with pytest.raises(MalformedFile, match="no recommender here is made of"):
        load(folder)


def test_another_folder_or_file_is_left_alone(tmp_path):
    fitted = RECOMMENDERS["random"].fit(HISTORY)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(MetadbError, match=r"holds 'mine\.txt' and no saved recommender"):
        save(fitted, tmp_path)
    with pytest.raises(MetadbError, match="is a file"):
        save(fitted, tmp_path / "mine.txt")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / MANIFEST).write_text('{"name": "page"}')
    with pytest.raises(MetadbError, match=r"manifest\.json' and no saved"):
        save(fitted, tmp_path / "web")
    with pytest.raises(NotFound, match="no saved recommender"):
        load(tmp_path / "none")
    with pytest.raises(NotFound, match="no saved recommender"):
        load(tmp_path / "mine.txt")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saving") / "nearest"
    save(RECOMMENDERS["nearest"].fit(HISTORY), folder)
    return folder


def copy(saved: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_any_changed_byte_is_noticed(saved, folder):
    rng = random.Random(0)
    for path in sorted(saved.iterdir()):
        whole = path.read_bytes()
        for _ in range(60):
            copy(saved, folder)
            body, at = bytearray(whole), rng.randrange(len(whole))
            body[at] ^= 1 << rng.randrange(8)
            (folder / path.name).write_bytes(bytes(body))
            with pytest.raises(MalformedFile, match=r"damaged|no file of its folder"):
                load(folder)
        for cut in (0, 1, len(whole) // 2, len(whole) - 1):
            copy(saved, folder)
            (folder / path.name).write_bytes(whole[:cut])
            with pytest.raises(MalformedFile, match="damaged"):
                load(folder)


def test_a_missing_file_is_named(saved, folder):
    copy(saved, folder)
    gone = next(folder.glob("*.safetensors"))
    gone.unlink()
    with pytest.raises(MalformedFile, match=f"{gone.name} is missing"):
        load(folder)
    secret = folder.parent / "elsewhere"
    secret.write_bytes((saved / gone.name).read_bytes())
    gone.symlink_to(secret)
    with pytest.raises(MalformedFile, match=f"{gone.name} is missing"):
        load(folder)


def named(name):
    return lambda m: m["files"].update({name: sha256(b"x").hexdigest()})


LIES = {
    "a path that leaves the folder": (named("../x.txt"), "no file of its folder"),
    "an absolute path": (named("/etc/passwd"), "no file of its folder"),
    "an odd name": (named("\0.txt"), "no file of its folder"),
    "no file": (named(f"{'0' * 16}.txt"), "is missing"),
    "an unknown class": (
        lambda m: m["objects"][-1].update({"class": "os:system"}), "no recommender here is made of"
    ),
    "a class that is none of ours": (
        lambda m: m["objects"][-1].update({"class": "pathlib:Path"}), "no recommender here"
    ),
    "another field": (lambda m: m["objects"][-1]["fields"].update(extra=1), "other fields .*extra"),
    "a field fewer": (lambda m: m["objects"][-1]["fields"].pop("metric"), "other fields .*metric"),
    "a wrong type": (lambda m: m["objects"][-1]["fields"].update(metric=3), "metric is a int"),
    "a forward reference": (lambda m: m.update(root={"object": 99}), "does not stand before"),
    "a negative reference": (lambda m: m.update(root={"object": -1}), "does not stand before"),
    "no object": (lambda m: m.update(root={"array": "array_0"}), "no recommender"),
    "a wrong shape": (lambda m: m["arrays"].update(array_0=["float64", 1]), "in the manifest"),
    "an array that is none": (lambda m: m["arrays"].update(more=["float64", 1]), "more"),
    "a missing part": (lambda m: m.pop("objects"), "has no objects"),
    "a part of a wrong kind": (lambda m: m.update(files=[]), "has no files"),
    "no hash": (lambda m: m["files"].update({next(iter(m["files"])): None}), "damaged"),
    "a kind of value": (lambda m: m["objects"][-1]["fields"].update(metric={"call": "x"}), "call"),
    "a list": (lambda m: m["objects"][-1]["fields"].update(metric=["x"]), "list"),
    "a value of two kinds": (
        lambda m: m["objects"][-1]["fields"].update(metric={"a": 1, "b": 2}), "no recommender"
    ),
    "a newer format": (lambda m: m.update(format=FORMAT + 1), "install a newer metadb"),
    "no format": (lambda m: m.update(format="x"), "has format 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_lies_is_one_clear_error(lie, saved, folder):
    change, said = LIES[lie]
    reseal(copy(saved, folder), change)
    with pytest.raises(MalformedFile, match=said) as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_a_manifest_sealed_anew_after_any_change_of_a_value_never_breaks_out(saved, folder):
    """Whoever writes a manifest gets a recommender or a clear error, whatever it says."""
    rng = random.Random(1)
    odd = [None, -1, 1e308, "x", [], {}, {"object": 0}, {"array": "array_0"}, {"lines": "x"},
           {"tuple": 3}, {"mapping": [[1]]}, {"float": "x"}, {"text": None}, [[[]]]]  # fmt: skip
    outcomes = set()

    def places(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            if isinstance(node[key], dict | list):
                yield from places(node[key])

    for _ in range(300):

        def change(manifest):
            node, key = rng.choice(list(places(manifest)))
            node[key] = rng.choice(odd)

        reseal(copy(saved, folder), change)
        try:
            load(folder)
        except MalformedFile as error:
            outcomes.add(str(error))
    assert len(outcomes) > 20
    assert not [said for said in outcomes if "\n" in said]


def test_a_text_that_is_no_manifest_is_refused(folder):
    folder.mkdir()
    for text in ("", "{", "[]", "null", "NaN", "[" * 100_000, '{"format": 1}', "1" * 5000):
        (folder / MANIFEST).write_text(text)
        with pytest.raises(MalformedFile, match="damaged"):
            load(folder)


def test_who_reads_while_another_writes_has_one_or_the_other(folder):
    sizes = (3, 500)
    wholes = [Whole(Part(np.full(n, 1.0 * n)), Part(np.ones(1))) for n in sizes]
    save(wholes[0], folder, also=[Whole])
    done = threading.Event()

    def write():
        for i in range(60):
            save(wholes[i % 2], folder, also=[Whole])
        done.set()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    read = 0
    while not done.is_set() or read == 0:
        numbers = load(folder, also=[Whole]).one.numbers
        assert len(numbers) in sizes
        assert (numbers == len(numbers)).all()
        read += 1
    for writer in writers:
        writer.join()
    assert load(folder, also=[Whole]).one.numbers[0] in sizes


def test_a_writer_that_is_killed_leaves_the_old_one(folder):
    fitted = RECOMMENDERS["random"].fit(HISTORY, seed=1)
    save(fitted, folder)
    script = (
        "import os, sys, recommenders.saving as s\n"
        "from tests.contracts.test_recommenders import make_history\n"
        "from recommenders.portfolio import Portfolio\n"
        "real, n = s._replace, [0]\n"
        "def dying(path, body):\n"
        "    n[0] += 1\n"
        "    if n[0] > int(sys.argv[2]): os.kill(os.getpid(), 9)\n"
        "    real(path, body)\n"
        "s._replace = dying\n"
        "s.save(Portfolio.fit(make_history()), sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), "1"],
        cwd=Path(__file__).resolve().parents[2], env=os.environ, capture_output=True,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    assert load(folder).recommend(NEW, 5) == fitted.recommend(NEW, 5)
    empty = folder.parent / "empty"
    empty.mkdir()
    for path in folder.iterdir():  # killed before there was any manifest
        if path.name != MANIFEST:
            (empty / path.name).write_bytes(path.read_bytes())
    save(fitted, empty)
    assert load(empty).recommend(NEW, 5) == fitted.recommend(NEW, 5)
