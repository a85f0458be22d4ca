"""BoTorch: recommended configs, and what was measured here and on other tasks, as plain tensors.

BoTorch maximises; so `Y` is minus the loss. Losses of two tasks do not compare: those of others
come standardised per task, with a task feature, for `MultiTaskGP`, never as scores of this one.
Nothing of BoTorch itself is needed to make the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from api.hooks.flat import flat
from api.hooks.past import measured, standardised
from api.hooks.projection import Outside, Report, nearest, project, walk
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.axes import Axis, Value, axes_of
from metadb.errors import InvalidConfig, WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import Tensor

    from metadb.history import History
    from metadb.store import Store


@dataclass(frozen=True, slots=True)
class Box:
    """A space as BoTorch sees it: one column a hyperparameter, in the order of `names`.

    In the unit cube each column is scaled to [0, 1], logarithmic scales and all; raw columns are
    the values themselves, of choices their index. A hyperparameter that is inactive has its
    default; `configs` takes it off again. A box has no forbidden clauses: `configs` raises there.

    Args:
        unit: Whether the columns are those of the unit cube.
    """

    space: ConfigurationSpace
    unit: bool = True

    @property
    def names(self) -> list[str]:
        """The hyperparameters of the columns; a constant has none."""
        return [axis.name for axis in self._axes]

    @property
    def _axes(self) -> list[Axis]:
        return [axis for axis in axes_of(self.space).values() if axis.kind != "constant"]

    @property
    def bounds(self) -> Tensor:
        """Of the columns, (2, d), as `optimize_acqf` takes them."""
        import torch

        pairs = [(0.0, 1.0) if self.unit else _range(axis) for axis in self._axes]
        return torch.tensor(pairs, dtype=torch.float64).T.contiguous()

    @property
    def integral(self) -> list[int]:
        """The columns that hold whole numbers: integers, and of raw ones indices of choices."""
        kinds = [axis.kind for axis in self._axes]
        return [i for i, kind in enumerate(kinds) if not self.unit and kind != "float"]

    @property
    def categorical(self) -> list[int]:
        """The columns of choices without an order, such as `cat_dims` of `MixedSingleTaskGP`."""
        return [i for i, axis in enumerate(self._axes) if axis.kind == "categorical"]

    def x(self, configs: Sequence[Config]) -> Tensor:
        """Configs of the space as a tensor, (n, d), in double precision."""
        import torch

        full = [flat(config, self.space) for config in configs]
        x = np.empty((len(full), len(self._axes)))
        for column, axis in enumerate(self._axes):
            numbers = np.array([axis.number(one[axis.name]) for one in full], dtype=np.float64)
            x[:, column] = axis.to_unit(numbers) if self.unit else numbers
        return torch.from_numpy(x)

    def configs(self, x: Tensor) -> list[Config]:
        """The nearest configs of the space to the rows of a tensor, (n, d).

        Raises:
            InvalidConfig: The tensor has another width.
        """
        rows = np.asarray(x.detach().cpu(), dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InvalidConfig(
                f"x has the shape {tuple(rows.shape)}; it must be (n, {len(self.names)}), a column "
                f"for each of {', '.join(self.names)}"
            )
        return [self._config(dict(zip(self.names, row, strict=True))) for row in rows]

    def _config(self, row: Mapping[str, float]) -> Config:
        def chosen(axis: Axis) -> Value:
            if axis.kind == "constant":
                return axis.choices[0]
            number = float(row[axis.name])
            if axis.choices:
                last = len(axis.choices) - 1
                place = round(number * last) if self.unit else round(number)
                return axis.choices[min(max(place, 0), last)]
            if self.unit:
                number = float(axis.from_unit(np.clip(np.array([number]), 0.0, 1.0))[0])
            return nearest(axis, number, "clip")[0]

        return walk(axes_of(self.space), chosen)


def warm_start(
    space: ConfigurationSpace | Box,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> tuple[Tensor, Report]:
    """The recommended configs as the first points `X` (n, d), best first, in place of Sobol's.

    Args:
        space: The unit cube of a ConfigSpace, or a box.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the space's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    box = _box(space)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, box.space, rename=rename, outside=outside)
    return box.x(report.sent), report


def training(
    space: ConfigurationSpace | Box,
    observed: Sequence[Evaluation],
    *,
    rename: Mapping[str, str] | None = None,
) -> tuple[Tensor, Tensor, Report]:
    """What was measured on this very task as `train_X` (n, d) and `train_Y` (n, 1), for a GP.

    `train_Y` is minus the loss. Only configs that need no change are in it; failures and smaller
    budgets are left out.
    """
    import torch

    box = _box(space)
    report, told = scored(observed, box.space, rename=rename)
    y = [-float(one.loss or 0.0) for one in told]
    return box.x(report.sent), torch.tensor(y, dtype=torch.float64).reshape(-1, 1), report


def observed_of(history: History, task: str) -> list[Evaluation]:
    """The store's own evaluations of a task at the largest budget, failures left out.

    Raises:
        NotFound: The history does not have the task.
    """
    configs, losses = measured(history, task)
    return [
        Evaluation(Trial(config), float(loss)) for config, loss in zip(configs, losses, strict=True)
    ]


def multi_task(
    space: ConfigurationSpace | Box,
    history: History,
    tasks: Sequence[str],
    observed: Sequence[Evaluation] = (),
    *,
    rename: Mapping[str, str] | None = None,
) -> tuple[Tensor, Tensor, list[Report]]:
    """Other tasks beside this one for `MultiTaskGP(X, Y, task_feature=-1, output_tasks=[0])`.

    The last column of `X` (n, d + 1) is the task: 0 is this one, the others are counted from 1 in
    the order given. `Y` (n, 1) is minus the loss, of each task with mean 0 and deviation 1, of this
    one too; so make the tensors anew after a new score.

    Args:
        tasks: Past tasks, such as a recommendation's `because.tasks`; a GP costs the cube of all n.
        observed: Evaluations of this task.

    Returns: the tensors, and what was done to the configs of each task, this one first.

    Raises:
        NotFound: The history does not have a task.
        WrongUsage: Nothing lies in the space as it is.
    """
    import torch

    box, xs, ys, reports = _box(space), [], [], []
    for place, told in enumerate([list(observed), *(observed_of(history, one) for one in tasks)]):
        x, y, report = training(box, told, rename=rename)
        xs.append(torch.cat([x, torch.full((len(x), 1), float(place), dtype=x.dtype)], dim=1))
        ys.append(torch.from_numpy(standardised(y.numpy().ravel())).reshape(-1, 1))
        reports.append(report)
    if not any(map(len, xs)):
        raise WrongUsage("no evaluation of these tasks lies in the space as it is")
    return torch.cat(xs), torch.cat(ys), reports


def record(
    x: Tensor,
    y: Tensor,
    store: Store,
    task: Task | str,
    *,
    metric: str | Metric,
    space: ConfigurationSpace | Box,
    study: str = "botorch",
    rename: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Record points `x` (n, d) and their values `y` (n, 1), which BoTorch maximises.

    Rows are named by study and place, so recording a longer `x` later adds only what is new.

    Args:
        metric: What the value is; of one that is better the lower, `y` is minus its value.

    Returns: point to the reason why the store does not take it.
    """
    box, its = _box(space), metric if isinstance(metric, Metric) else store.metric(metric)
    recorder = Recorder(
        store, task, origin="botorch", study=study, metric=its, lower=its.lower_is_better,
        space=box.space, rename=rename,
    )  # fmt: skip
    values: list[Any] = y.detach().cpu().reshape(-1).tolist()
    sign = -1.0 if its.lower_is_better else 1.0
    for place, (config, value) in enumerate(zip(box.configs(x), values, strict=True)):
        recorder.record(f"{study}/{place}", config, sign * value)
    return recorder.lost


def _box(space: ConfigurationSpace | Box) -> Box:
    return space if isinstance(space, Box) else Box(space)


def _range(axis: Axis) -> tuple[float, float]:
    if axis.choices:
        return 0.0, float(len(axis.choices) - 1)
    return float(axis.hyperparameter.lower), float(axis.hyperparameter.upper)
