"""Optuna's storages read as they lie there: the tables of a database, the lines of a journal."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from ingest.building import beginning
from ingest.sqlite import is_sqlite, reading
from ingest.study import plain_value
from metadb.declared import Choice, Range, merged
from metadb.errors import MalformedFile, NotFound, Unreachable, WrongUsage

_TABLES = ("studies", "study_directions", "trials", "trial_params", "trial_values")
_STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")  # by number, as journals have them
_FINISHED = ("COMPLETE", "PRUNED", "FAIL")
_MINIMIZE = 1
_WORKER = re.compile(r'"worker_id": ?"[^"]*"')


@dataclass
class Stored:
    """One study as a storage has it, its trials in order.

    Args:
        minimized: Per objective whether smaller is better.
        configs: Per trial the hyperparameters that were drawn.
        values: (trial, objective) to value.
        seconds: Per trial how long it ran, None where not known.
        reported_by, steps, reports: Of intermediate values the trials, the steps and the values.
    """

    name: str
    minimized: list[bool] = field(default_factory=list)
    metric_names: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    configs: list[dict[str, Any]] = field(default_factory=list)
    values: dict[tuple[int, int], float | None] = field(default_factory=dict)
    seconds: list[float | None] = field(default_factory=list)
    reported_by: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    reports: list[float | None] = field(default_factory=list)
    distributions: dict[tuple[str, str], None] = field(default_factory=dict)

    @property
    def declared(self) -> dict[str, Range | Choice]:
        """What the trials drew their hyperparameters from."""
        return merged([{name: drawn_from(text)} for name, text in self.distributions])

    def begin(self, state: str, seconds: float | None) -> None:
        """The next trial."""
        self.states.append(state)
        self.seconds.append(seconds)
        self.configs.append({})

    def report(self, trial: int, step: int, value: float | None) -> None:
        """Note an intermediate value of a trial."""
        self.reported_by.append(trial)
        self.steps.append(step)
        self.reports.append(value)

    def draw(self, trial: int, name: str, internal: float, distribution: str) -> None:
        """Note a hyperparameter of a trial."""
        self.distributions[name, distribution] = None
        one = drawn_from(distribution)
        if isinstance(one, Choice):
            self.configs[trial][name] = one.values[int(internal)]
        else:
            self.configs[trial][name] = int(internal) if one.whole else float(internal)


@lru_cache(maxsize=10_000)
def drawn_from(text: str) -> Range | Choice:
    """A distribution's JSON text, of any version of Optuna.

    Raises:
        MalformedFile: It is none.
    """
    try:
        content = json.loads(text)
        name, given = content["name"], content["attributes"]
        if name == "CategoricalDistribution":
            return Choice(tuple(plain_value(choice) for choice in given["choices"]))
        log = bool(given.get("log")) or "Log" in name
        whole = name.startswith("Int")
        return Range(float(given["low"]), float(given["high"]), log, whole)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise MalformedFile(f"{text[:80]!r} is no distribution of Optuna ({error!r})") from error


def is_storage(path: Path) -> bool:
    """Whether a file is a database or a journal of Optuna's."""
    if is_sqlite(path):
        try:
            with reading(path, _TABLES, "Optuna"):
                return True
        except MalformedFile:
            return False
    return path.is_file() and beginning(path, 200).startswith('{"op_code":')


def studies(path: Path) -> dict[str, Callable[[], Stored]]:
    """The studies of a storage by name, each read when it is called for.

    Raises:
        MalformedFile: The file is no storage, or breaks off.
    """
    if not is_sqlite(path):
        return {name: partial(_same, stored) for name, stored in _replayed(path).items()}
    with reading(path, _TABLES, "Optuna") as con:
        names = [
            name for (name,) in con.execute("select study_name from studies order by study_id")
        ]
    return {name: partial(_from_tables, path, name) for name in names}


def _same(stored: Stored) -> Stored:
    return stored


# -- a database -------------------------------------------------------------------------------


def _from_tables(path: Path, name: str) -> Stored:
    with reading(path, _TABLES, "Optuna") as con:
        asked = con.execute("select study_id from studies where study_name = ?", [name]).fetchone()
        directions = con.execute(
            "select direction from study_directions where study_id = ? order by objective", asked
        )
        stored = Stored(name, [direction == "MINIMIZE" for (direction,) in directions])
        said = con.execute(
            "select value_json from study_system_attributes "
            "where study_id = ? and key = 'study:metric_names'",
            asked,
        ).fetchone()
        stored.metric_names = [] if said is None else json.loads(said[0])
        place: dict[int, int] = {}
        for trial, state, start, end in con.execute(
            "select trial_id, state, datetime_start, datetime_complete from trials "
            "where study_id = ? order by trial_id",
            asked,
        ):
            place[trial] = len(stored.states)
            stored.begin(state, _seconds(start, end))
        _add_details(con, asked, place, stored)
        return stored


def _add_details(
    con: sqlite3.Connection, asked: tuple[int], place: dict[int, int], stored: Stored
) -> None:
    """What the trials drew, reported and came to."""
    of_study = "join trials using (trial_id) where study_id = ?"
    for trial, key, value, distribution in con.execute(
        "select trial_id, param_name, param_value, distribution_json "
        f"from trial_params {of_study} order by param_id",
        asked,
    ):
        stored.draw(place[trial], key, value, distribution)
    for trial, objective, value in con.execute(
        f"select trial_id, objective, value from trial_values {of_study}", asked
    ):
        stored.values[place[trial], objective] = value
    for trial, step, value in con.execute(
        "select trial_id, step, intermediate_value from trial_intermediate_values "
        f"{of_study} order by trial_id, step",
        asked,
    ):
        stored.report(place[trial], step, value)


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


# -- a journal --------------------------------------------------------------------------------


def _replayed(path: Path) -> dict[str, Stored]:
    """The studies after all lines of a journal, as Optuna itself would replay them."""
    journal = _Journal()
    try:
        with path.open(encoding="utf-8") as stream:
            for nth, line in enumerate(stream, 1):
                try:
                    journal.apply(json.loads(line))
                except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
                    raise MalformedFile(
                        f"{path}, line {nth}, is no line of a journal of Optuna ({error!r}); where "
                        "a tuner is writing it, try again when it has stopped"
                    ) from error
    except UnicodeDecodeError as error:
        raise MalformedFile(f"{path} is no journal of Optuna: {error}") from error
    if not journal.trials and not journal.studies:
        raise MalformedFile(f"{path} is empty; a journal of Optuna begins with a study")
    return {stored.name: stored for stored in journal.studies.values()}


@dataclass
class _Journal:
    """The state that the lines read so far lead to."""

    studies: dict[int, Stored] = field(default_factory=dict)
    trials: list[tuple[Stored, int]] = field(default_factory=list)
    starts: dict[int, str | None] = field(default_factory=dict)
    n_studies: int = 0

    def apply(self, line: dict[str, Any]) -> None:
        """One line; user's attributes and what a finished trial is told are not read."""
        code = line["op_code"]
        if code == 0:
            if line["study_name"] not in [stored.name for stored in self.studies.values()]:
                minimized = [direction == _MINIMIZE for direction in line["directions"]]
                self.studies[self.n_studies] = Stored(line["study_name"], minimized)
                self.n_studies += 1
        elif code == 1:
            self.studies.pop(line["study_id"], None)
        elif code == 3 and line["study_id"] in self.studies:
            said = line["system_attr"].get("study:metric_names")
            if said is not None:
                self.studies[line["study_id"]].metric_names = list(said)
        elif code == 4 and line["study_id"] in self.studies:
            self._create(self.studies[line["study_id"]], line)
        elif code in (5, 6, 7):
            stored, place = self.trials[line["trial_id"]]
            if stored.states[place] not in _FINISHED:
                self._update(stored, place, line)
        elif code not in (2, 3, 4, 8, 9):
            raise ValueError(f"there is no operation {code}")

    def _create(self, stored: Stored, line: dict[str, Any]) -> None:
        place = len(stored.states)
        self.starts[len(self.trials)] = line["datetime_start"]
        self.trials.append((stored, place))
        seconds = _seconds(line["datetime_start"], line.get("datetime_complete"))
        stored.begin(_STATES[line.get("state", 0)], seconds)
        for name, internal in line.get("params", {}).items():
            stored.draw(place, name, internal, line["distributions"][name])
        self._values(stored, place, line.get("values") or [line.get("value")])
        for step, value in line.get("intermediate_values", {}).items():
            stored.report(place, int(step), value)

    def _update(self, stored: Stored, place: int, line: dict[str, Any]) -> None:
        trial = line["trial_id"]
        if line["op_code"] == 5:
            stored.draw(
                place, line["param_name"], line["param_value_internal"], line["distribution"]
            )
        elif line["op_code"] == 7:
            stored.report(place, line["step"], line["intermediate_value"])
        else:
            state = _STATES[line["state"]]
            if state == "RUNNING" and stored.states[place] != state:
                self.starts[trial] = line["datetime_start"]
            stored.states[place] = state
            if state in _FINISHED:
                stored.seconds[place] = _seconds(self.starts[trial], line["datetime_complete"])
            self._values(stored, place, line["values"] or [])

    @staticmethod
    def _values(stored: Stored, place: int, values: list[Any]) -> None:
        for objective, value in enumerate(values):
            stored.values[place, objective] = value


# -- a database server ------------------------------------------------------------------------


def copied(url: str, cache: Path) -> Path:
    """A journal in the cache with all studies of a storage that only Optuna can reach.

    Its name and content depend on the studies alone. The storage must be of the same version of
    Optuna: it is not upgraded.

    Raises:
        WrongUsage: Optuna is not installed.
        NotFound: There is no storage of Optuna.
        Unreachable: The server does not answer.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise WrongUsage(
            "reading a database server needs the package optuna; pip install 'metadb[tuners]'"
        ) from error
    shown = re.sub(r"//[^@/]*@", "//", url).partition("?")[0]  # never a password
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / "optuna.part"
    part.unlink(missing_ok=True)
    try:
        storage = RDBStorage(url, skip_table_creation=True)
        studies = optuna.get_all_study_names(storage)
        target = JournalStorage(JournalFileBackend(str(part)))
        for name in studies:
            optuna.copy_study(
                from_study_name=name, from_storage=storage, to_storage=target, to_study_name=name
            )
    except Exception as error:  # whatever a driver or SQLAlchemy makes of it
        why = str(error).replace(url, shown).partition("\n")[0][:200]
        raise Unreachable(f"Optuna cannot read the storage {shown}: {why}") from error
    if not studies:
        raise NotFound(f"the storage {shown} holds no study")
    text = _WORKER.sub('"worker_id":"copy"', part.read_text(encoding="utf-8"))
    part.write_text(text, encoding="utf-8")
    return part.replace(cache / f"optuna-{sha256(text.encode()).hexdigest()[:16]}.log")
