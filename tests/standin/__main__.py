"""Serve a made-up OpenML: `python -m tests.standin --runs 50000 --latency 0.02 --port 0`."""

from __future__ import annotations

import argparse
import json
import sys

from tests.standin.app import Site
from tests.standin.serving import end_with_parent, listener, serve
from tests.standin.world import World


def main() -> None:
    """Print the address, then serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    for name, default in (("seed", 0), ("tasks", 12), ("flows", 28), ("setups", 400)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--page-limit", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--no-inline-setups", action="store_true")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--stdin", action="store_true", help="read what to serve from stdin")
    told = parser.parse_args()
    if told.stdin:
        asked = json.loads(sys.stdin.readline())
        world, site = asked["world"], asked["site"]
        world["history"] = [tuple(one) for one in world["history"]]
        end_with_parent()
    else:
        world = {n: getattr(told, n) for n in ("seed", "tasks", "flows", "setups", "runs")}
        site = {"page_limit": told.page_limit, "latency_s": told.latency}
        site["inline_setups"] = not told.no_inline_setups
    made = Site(World(**world), **site)
    socket = listener(told.port)
    print(f"http://127.0.0.1:{socket.getsockname()[1]}", flush=True)
    if not told.stdin:
        print(f"API key: {made.world.people[0].api_key}", flush=True)
    serve(made, socket)


if __name__ == "__main__":
    main()
