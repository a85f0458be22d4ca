"""Episodes: what is drawn, that classes do not leak, and what is said of bad data."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator

from metadb.errors import MalformedFile, NotFound, WrongUsage
from optimizers.fewshot.ways import Ways
from optimizers.labelled import digits, of_arrays, read


def numbered(classes=6, each=10):
    """Inputs that tell their class and their place in it."""
    y = np.repeat(np.arange(classes), each)
    return of_arrays(np.stack([y, np.tile(np.arange(each), classes)], axis=1), y)


def draw(source, tasks=50, seed=0):
    return source.draw(tasks, Generator().manual_seed(seed))


def test_an_episode_has_its_ways_shots_and_queries_and_repeats_nothing():
    found = draw(Ways(numbered(), 4, shots=2, queries=3))
    assert found.support.x.shape == (50, 8, 2)
    assert found.query.x.shape == (50, 12, 2)
    for task in range(50):
        x = torch.cat([found.support.x[task], found.query.x[task]])
        y = torch.cat([found.support.y[task], found.query.y[task]])
        assert len({tuple(row.tolist()) for row in x}) == 20
        assert torch.equal(found.classes[task][y].float(), x[:, 0])
        assert len(set(found.classes[task].tolist())) == 4


def test_classes_and_examples_are_drawn_evenly():
    found = draw(Ways(numbered(), 2, shots=1, queries=1), tasks=6000)
    classes = torch.bincount(found.classes.flatten(), minlength=6) / 12000
    assert classes.numpy() == pytest.approx(1 / 6, abs=0.015)
    places = torch.bincount(found.support.x[:, :, 1].flatten().long(), minlength=10) / 12000
    assert places.numpy() == pytest.approx(0.1, abs=0.012)


def test_the_same_seed_draws_the_same():
    source = Ways(numbered(), 3, shots=1, queries=2)
    assert torch.equal(draw(source).query.x, draw(source).query.x)
    assert not torch.equal(draw(source).query.x, draw(source, seed=1).query.x)


def test_classes_of_unequal_size_give_only_their_own_examples():
    y = np.array([0] * 3 + [1] * 9 + [2] * 5)
    found = draw(Ways(of_arrays(np.arange(17.0)[:, None], y), 3, shots=1, queries=2), tasks=200)
    for part in (found.support, found.query):
        own = found.classes.gather(1, part.y)
        assert np.array_equal(own.numpy(), y[part.x[:, :, 0].long().numpy()])


def test_a_turned_image_is_another_class_and_all_of_its_class_turn_alike():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (12, 1, 4, 4), dtype=np.uint8)
    source = Ways(of_arrays(images, np.repeat([0, 1, 2], 4)), 5, shots=1, queries=2, turns=4)
    assert source.classes == 12
    found = draw(source, tasks=30)
    known = torch.from_numpy(images).float() / 255
    for task in range(30):
        for image, y in zip(found.support.x[task], found.support.y[task], strict=True):
            letter, turns = divmod(int(found.classes[task][y]), 4)
            own = [torch.rot90(k, turns, (-2, -1)) for k in known[letter * 4 : letter * 4 + 4]]
            assert any(torch.equal(image, k) for k in own)


def test_a_group_is_never_on_both_sides():
    data = of_arrays(np.zeros((8, 1)), np.arange(8), groups=list("aabbccdd"))
    for seed in range(20):
        trained, tested = data.parted(0.4, seed=seed)
        assert not set(trained.groups) & set(tested.groups)
        assert sorted([*trained.names, *tested.names]) == sorted(data.names)
        assert len(set(tested.groups)) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"ways": 7}, "7 ways cannot be drawn from 6 classes"),
        ({"ways": 1}, "1 ways cannot be drawn"),
        (
            {"shots": 5, "queries": 6},
            "need 11 examples of each class and one of each kind, but '0'",
        ),
        ({"shots": 0}, "0 shots"),
        ({"turns": 4}, "only square images can be turned"),
    ],
)
def test_what_cannot_be_drawn_is_said(asked, said):
    with pytest.raises(WrongUsage, match=said):
        Ways(numbered(), **{"ways": 3, "shots": 1, "queries": 2, **asked})


def test_what_cannot_be_parted_or_is_not_there_is_said():
    with pytest.raises(WrongUsage, match="of one group"):
        of_arrays(np.zeros((4, 1)), np.arange(4), groups=["a"] * 4).parted()
    with pytest.raises(NotFound, match="no group of classes 'z'; there are a, b"):
        of_arrays(np.zeros((2, 1)), np.arange(2), groups=["a", "b"]).only(["z"])
    with pytest.raises(WrongUsage, match="not finite"):
        of_arrays(np.array([[np.nan]]), np.array([0]))
    with pytest.raises(WrongUsage, match="do not go together"):
        of_arrays(np.zeros((3, 1)), np.zeros(2))


def picture(level, size=(9, 9), mode="L"):
    out = io.BytesIO()
    Image.new(mode, size, level).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_images_are_read_with_their_alphabets(tmp_path, form):
    files = {
        f"all/{group}/{name}/{i}.png": picture(40 * i, mode="L")
        for group, name in (("Greek", "c1"), ("Greek", "c2"), ("Latin", "c1"))
        for i in range(3)
    }
    if form == "zip":
        path = tmp_path / "letters.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        path = tmp_path / "letters"
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    found = read(path, size=8)
    assert found.x.shape == (9, 1, 8, 8)
    assert found.x.dtype == torch.uint8
    assert found.names == ("Greek/c1", "Greek/c2", "Latin/c1")
    assert found.groups == ("Greek", "Greek", "Latin")
    assert found.x[:3, 0, 0, 0].tolist() == [0, 40, 80]
    assert read(path, size=8, gray=False).x.shape == (9, 3, 8, 8)
    assert read(path, size=8, invert=True).x[0].min() == 255


def test_arrays_are_read_and_never_pickled_ones(tmp_path):
    np.savez(tmp_path / "good.npz", x=np.eye(4), y=np.array(["a", "a", "b", "b"]))
    assert read(tmp_path / "good.npz").names == ("a", "b")
    np.savez(tmp_path / "bad.npz", x=np.array([{}, {}], dtype=object), y=np.array([0, 1]))
    with pytest.raises(MalformedFile, match="cannot be read as arrays"):
        read(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", z=np.eye(2))
    with pytest.raises(MalformedFile, match="holds z; wanted are x and y"):
        read(tmp_path / "other.npz")


@pytest.mark.parametrize("content", [b"", b"not an image", picture(0)[:40]])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "d" / "c").mkdir(parents=True)
    (tmp_path / "d" / "c" / "x.png").write_bytes(content)
    with pytest.raises(MalformedFile, match=r"x\.png cannot be read as an image"):
        read(tmp_path / "d")


def test_a_picture_too_large_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "d" / "c").mkdir(parents=True)
    (tmp_path / "d" / "c" / "x.png").write_bytes(picture(0, (5000, 5000), "1"))
    with pytest.raises(MalformedFile, match="5000 x 5000 pixels, too many"):
        read(tmp_path / "d")


def test_what_holds_no_images_is_said(tmp_path):
    with pytest.raises(NotFound, match="there is no file or folder"):
        read(tmp_path / "nothing")
    with pytest.raises(MalformedFile, match="holds no images in folders"):
        read(tmp_path)
    (tmp_path / "x.bin").write_bytes(b"0")
    with pytest.raises(MalformedFile, match="no zip of images"):
        read(tmp_path / "x.bin")


def test_the_digits_are_ten_classes_of_images():
    found = digits()
    assert found.x.shape == (1797, 1, 16, 16)
    assert len(found.names) == 10
