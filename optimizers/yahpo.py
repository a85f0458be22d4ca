"""YAHPO Gym's surrogates as objectives: thousands of evaluations a second, at any budget.

Pfisterer et al. 2022, "YAHPO Gym - An Efficient Multi-Objective Multi-Fidelity Benchmark for
Hyperparameter Optimization". The networks were fitted to real runs; what they predict is smooth
and free of noise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from metadb.columns import as_columns
from metadb.errors import InvalidConfig, MalformedFile, NotFound, WrongUsage
from metadb.records import Config, Evaluation, Trial
from optimizers.yahpo_scenario import SCENARIOS, Scenario

if TYPE_CHECKING:
    import pyarrow as pa
    from ConfigSpace import ConfigurationSpace

T = TypeVar("T")


class Yahpo:
    """A surrogate of one scenario on one task, asked for one of its targets.

    Args:
        folder: Where the scenarios' folders lie (a checkout of yahpo_data).
        scenario: One of `SCENARIOS`.
        instance: The task, one of `instances`.
        metric: A target by its name; default: the scenario's first score.
        unit: Of budgets: `fraction` (1.0 is everything), or the scenario's own (`epochs`).

    Raises:
        NotFound: There is no such scenario, instance, metric or file.
        WrongUsage: onnxruntime is not installed, or the unit is not one of the scenario's.
    """

    def __init__(
        self,
        folder: str | Path,
        scenario: str,
        instance: str | None = None,
        *,
        metric: str | None = None,
        unit: str = "fraction",
    ) -> None:
        self.folder, self.scenario, self.unit = Path(folder), scenario, unit
        self._of = _one_of(SCENARIOS, scenario, "scenario")
        self.instance = self._instance(instance)
        targets = {target.name: target for target in self._of.targets}
        self.metric = metric or self._of.targets[self._of.default].name
        self._target = _one_of(targets, self.metric, f"target of {scenario}")
        if unit not in ("fraction", self._of.unit):
            raise WrongUsage(f"{scenario} has budgets in fraction or {self._of.unit}, not {unit!r}")
        self._session = _session(self._file("model", ".onnx"), self._of)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the surrogate anew."""
        return _again, (self.folder, self.scenario, self.instance, self.metric, self.unit)

    def __call__(self, trial: Trial) -> Evaluation:
        """The surrogate's loss (1 - score where more is better) and seconds from the start."""
        found = self.evaluate([trial.config], trial.budget)
        loss = self._target.loss(found.column(self.metric)[0].as_py())
        return Evaluation(trial, loss, sum(found.column(c)[0].as_py() for c in self._of.cost))

    def evaluate(
        self, configs: Sequence[Config], budget: float | Sequence[float] = 1.0
    ) -> pa.Table:
        """All targets of configs, a row a config and a column a target, in the targets' units.

        Args:
            budget: One for all or one each; a learning curve is one config at many budgets.

        Raises:
            InvalidConfig: A config lies outside the space.
            WrongUsage: A budget lies outside (0, everything].
        """
        import pyarrow as pa

        configs = list(configs)
        category, number = self.inputs(configs, budget)
        (found,) = self._session.run(None, {"x_cat": category, "x_cont": number})
        names = [target.name for target in self._of.targets]
        return pa.table(dict(zip(names, found.T.astype(np.float64), strict=True)))

    def inputs(
        self, configs: Sequence[Config], budget: float | Sequence[float] = 1.0
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """What the network is given: codes of categories (n, categories), numbers (n, numbers)."""
        from metadb.space import check

        for i, why in enumerate(check(self.space, configs)):
            if why is not None:
                raise InvalidConfig(f"config {i} of {self.scenario}: {why}")
        n = len(configs)
        columns = as_columns(configs)[0]
        columns |= {self._of.fidelity: self._fidelity(budget, n)}
        columns |= {name: [value] * n for name, value in self._of.fixed.items()}
        if self._of.instance:
            columns[self._of.instance] = [self.instance] * n
        category = np.zeros((n, len(self._of.categories)), np.int32)  # 0 = inactive
        for i, name in enumerate(self._of.categories):
            codes = self._codes[name]
            category[:, i] = [0 if v is None else codes[v] for v in columns.get(name, [None] * n)]
        number = np.zeros((n, len(self._of.numbers)), np.float32)  # 0 = inactive here too
        for i, name in enumerate(self._of.numbers):
            number[:, i] = [0 if v is None else v for v in columns.get(name, [None] * n)]
        return category, number

    @cached_property
    def space(self) -> ConfigurationSpace:
        """What is searched: the scenario's space without the task and the budget."""
        from metadb.space import from_old

        out = {self._of.instance, self._of.fidelity, *self._of.fixed}
        return from_old(self._described, f"yahpo-{self.scenario}", without=out)

    @property
    def instances(self) -> tuple[str, ...]:
        """The tasks that the scenario offers; none where it has one only."""
        parts = self._described["hyperparameters"]
        return tuple(
            choice for p in parts if p["name"] == self._of.instance for choice in p["choices"]
        )

    @property
    def task(self) -> str:
        """The task's id in a store, as the source `yahpo` writes it."""
        return self._of.task.format(self.instance)

    def _instance(self, instance: str | None) -> str | None:
        if self._of.instance is None:
            if instance is not None:
                raise NotFound(
                    f"{self.scenario} has one task only; leave out instance={instance!r}"
                )
            return None
        if instance is None:
            raise WrongUsage(f"{self.scenario} needs an instance, like {self.instances[0]!r}")
        return _one_of({name: name for name in self.instances}, str(instance), "instance")

    def _fidelity(self, budget: float | Sequence[float], n: int) -> list[float]:
        of = self._of
        value = np.broadcast_to(np.asarray(budget, np.float64), (n,))
        least, full = (0.0, 1.0) if self.unit == "fraction" else (of.least, of.full)
        if not ((value > 0) & (value >= least) & (value <= full)).all():
            raise WrongUsage(f"a budget of {self.scenario} is above 0 and from {least} to {full}")
        if of.unit == "epochs":
            share = of.full if self.unit == "fraction" else 1.0
            value = np.maximum(np.round(value * share), of.least)
        return list(np.maximum(value, of.least).tolist())

    def _file(self, name: str, suffix: str) -> Path:
        version = "_v2" if self.scenario.endswith("_v2") else ""
        folders = [self.folder / self.scenario, self.folder / self.scenario.removesuffix("_v2")]
        for folder in folders:
            if (path := folder / f"{name}{version}{suffix}").is_file():
                return path
        raise NotFound(
            f"there is no {name}{version}{suffix} in {folders[0]}; give the folder of yahpo_data"
        )

    @cached_property
    def _described(self) -> dict[str, Any]:
        return _read(self._file("config_space", ".json"), "hyperparameters")

    @cached_property
    def _codes(self) -> dict[str, dict[str, int]]:
        return _read(self._file("encoding", ".json"), *self._of.categories)


def _again(folder: Path, scenario: str, instance: str | None, metric: str, unit: str) -> Yahpo:
    return Yahpo(folder, scenario, instance, metric=metric, unit=unit)


def _one_of(there: Mapping[str, T], name: str, what: str) -> T:
    if name not in there:
        near = get_close_matches(name, there, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise NotFound(f"no {what} {name!r}; {hint}there are {', '.join(there)}")
    return there[name]


def _read(path: Path, *needed: str) -> dict[str, Any]:
    try:
        content = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedFile(f"{path} must be a JSON object ({error})") from error
    if lacks := [name for name in needed if name not in content]:
        raise MalformedFile(f"{path} says nothing of {lacks[0]!r}; is it of another version?")
    return content


def _session(path: Path, of: Scenario) -> Any:
    """The network on one thread, so that the same question has the same answer."""
    try:
        onnxruntime = import_module("onnxruntime")
    except ImportError as error:
        raise WrongUsage(
            "a YAHPO surrogate needs onnxruntime; install it with: pip install 'metadb[yahpo]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has an error class of its own for each flaw
        raise MalformedFile(f"{path} is no network that onnxruntime reads ({error})") from error
    widths = {one.name: one.shape[-1] for one in (*session.get_inputs(), *session.get_outputs())}
    right = {"x_cat": len(of.categories), "x_cont": len(of.numbers), "output": len(of.targets)}
    if widths != right:
        raise MalformedFile(f"{path} has {widths}, but its scenario has {right}; another version?")
    return session
