"""Where trials run: executors as in `concurrent.futures`, whose workers can be killed."""

from __future__ import annotations

from optimizers.executors.dask import Dask
from optimizers.executors.gpu import GPU
from optimizers.executors.local import Local
from optimizers.executors.ray import Ray
from optimizers.executors.workers import Workers

EXECUTORS: dict[str, type[Workers]] = {
    "local": Local,
    "gpu": GPU,
    "ray": Ray,
    "dask": Dask,
}

__all__ = ["EXECUTORS", "GPU", "Dask", "Local", "Ray", "Workers"]
