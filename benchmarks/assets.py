"""The page's scripts of others: brought from npm packages, checked, and laid into the package.

    python -m benchmarks.assets            # the versions that are written down; needs npm
    python -m benchmarks.assets --newest   # the newest versions, and writes them down

`vendored.json` beside them names each file's package, version, licence and SHA-256; axe-core, which
only the tests load, lies with them. One file is changed: vega-interpreter is a module that imports
vega-util by a bare name, which a page without a bundler cannot resolve; it takes the same functions
from the vega that is loaded already.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

FOLDERS = {
    ROOT / "api" / "web" / "assets" / "vendored": {
        "htmx.org": "dist/htmx.min.js",
        "vega": "build/vega.min.js",
        "vega-lite": "build/vega-lite.min.js",
        "vega-interpreter": "build/vega-interpreter.js",
    },
    ROOT / "tests" / "api" / "web" / "vendored": {"axe-core": "axe.min.js"},
}
"""Folder to its packages, and of each the file that is loaded."""

CHANGES = {
    "vega-interpreter": (
        "import { ascending, isString, DisallowedObjectProperties } from 'vega-util';",
        "const { ascending, isString, DisallowedObjectProperties } = globalThis.vega;",
    )
}
"""Package to a line and what stands in its place."""


def brought(package: str, version: str, file: str, target: Path) -> dict[str, Any]:
    """Lay the file of a package and its licence into a folder; what is to be written down of it."""
    with tempfile.TemporaryDirectory() as folder:
        return _unpacked(package, version, file, target, Path(folder))


def _unpacked(package: str, version: str, name: str, target: Path, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["npm", "pack", "--silent", f"{package}@{version}"],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:

        def member(path: str) -> bytes:
            file = archive.extractfile(f"package/{path}")
            assert file is not None, path
            return file.read()

        about = json.loads(member("package.json"))
        body, licence = member(name), member("LICENSE")
    written: dict[str, Any] = {
        "version": about["version"],
        "licence": about["license"],
        "file": Path(name).name,
        "sha256_of_package": hashlib.sha256(body).hexdigest(),
    }
    if package in CHANGES:
        before, after = (line.encode() for line in CHANGES[package])
        assert body.count(before) == 1, f"{package} has no such line any more: {before!r}"
        body = body.replace(before, after)
    # The pages carry no source maps, so nothing looks for them.
    body = b"\n".join(x for x in body.split(b"\n") if not x.startswith(b"//# sourceMappingURL"))
    written["sha256"] = hashlib.sha256(body).hexdigest()
    (target / Path(name).name).write_bytes(body)
    (target / f"{package}.LICENSE").write_bytes(licence)
    return written


def main() -> None:
    """Bring every file, and say what changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--newest", action="store_true", help="take the newest versions")
    newest = parser.parse_args().newest
    for folder, files in FOLDERS.items():
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / "vendored.json"
        before = json.loads(written.read_text()) if written.exists() else {}
        after = {}
        for package, file in files.items():
            known = before.get(package, {})
            version = "latest" if newest or not known else known["version"]
            after[package] = brought(package, version, file, folder)
            same = known.get("sha256") == after[package]["sha256"]
            print(package, after[package]["version"], "as before" if same else "CHANGED")
            if known and not newest and not same:
                raise SystemExit(f"{package} {version} is not what was written down; look why")
        written.write_text(json.dumps(after, indent=2) + "\n")


if __name__ == "__main__":
    main()
