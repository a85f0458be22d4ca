"""Objectives that worker processes can import."""

from __future__ import annotations

import os
import signal
import time

from metadb.records import Evaluation


def number(trial):
    """A loss that tells the trial."""
    return float(trial.id)


def fateful(trial):
    """Trial by trial, all that can happen to a process; the rest are fine."""
    match trial.id:
        case 1:
            os._exit(3)
        case 2:
            os.kill(os.getpid(), signal.SIGKILL)
        case 3:
            time.sleep(600)
        case 4:
            raise MemoryError("10 TB")
        case 5:
            return float("nan")
    return Evaluation(trial, float(trial.id), 0.5)


FATES = {1: "failed", 2: "failed", 3: "timeout", 4: "memout", 5: "failed"}


def hanging(trial):
    """Never comes back, but for trial 0."""
    if trial.id:
        time.sleep(600)
    return 0.0


def bowl(trial):
    """Slow enough to be killed in the middle, the same each time."""
    time.sleep(0.02)
    return (trial.config["x"] - 0.3) ** 2
