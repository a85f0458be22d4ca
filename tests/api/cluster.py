"""A small Ray of this machine's own, for the tests that run trials on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cluster(attempts: int = 3) -> Iterator[None]:
    """Ray gives its node 30 s to start, which a busy machine may need more than once."""
    import ray

    for left in reversed(range(attempts)):
        try:
            ray.init(
                num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False
            )
            break
        except Exception:  # Ray raises no narrower one
            ray.shutdown()
            if not left:
                raise
    yield
    ray.shutdown()
