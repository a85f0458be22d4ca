"""Reproducible studies against peers: quality, speed, crash safety; not in the wheel."""
