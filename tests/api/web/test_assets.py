"""What the pages load: what was written down of it, under addresses that name the content, small."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from api.web.assets import FILES, FOLDER, address

VENDORED = (FOLDER / "vendored", Path(__file__).parent / "vendored")


@pytest.mark.parametrize("folder", VENDORED, ids=lambda folder: folder.parts[-4])
def test_what_is_of_others_is_what_was_written_down_with_its_licence(folder):
    written = json.loads((folder / "vendored.json").read_text())
    files = {about["file"] for about in written.values()}
    licences = {f"{package}.LICENSE" for package in written}
    assert files | licences | {"vendored.json"} == {file.name for file in folder.iterdir()}
    for package, about in written.items():
        body = (folder / about["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == about["sha256"]
        assert about["licence"] in {"BSD-3-Clause", "BSD-0-Clause", "MPL-2.0", "MIT"}, package


@pytest.mark.parametrize("name", FILES)
def test_an_asset_is_kept_for_good_and_comes_packed(name, http):
    answer = http.get(address(name), headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == (FOLDER / name).read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    plain = http.get(address(name), headers={"accept-encoding": "identity"})
    assert plain.content == answer.content
    other = http.get(address(name).replace("/assets/", "/assets/0"), headers={"accept": "*/*"})
    assert other.headers["cache-control"] == "no-store"


def test_no_page_weighs_more_than_400_kb(http):
    assets = sum(len(gzip.compress((FOLDER / name).read_bytes(), 9)) for name in FILES)
    page = http.get("/web/task?id=toy:task/1")
    assert assets + len(page.content) <= 400_000
