"""Where a task lies among the stored ones: small multiples of meta-features, as Vega-Lite.

The specification is a plain dict with its data in it: a web page, Altair (`Chart.from_dict`) or
`vl-convert` draws it. Histograms are counted here, so a page carries some hundred numbers however
many tasks the store has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from api.drawing import draw
from metadb.errors import NotFound, WrongUsage
from metadb.metafeatures.features import SUMMARIES
from metadb.protocols import Floats
from metadb.records import Task

if TYPE_CHECKING:
    from pathlib import Path

    from metadb.store import Store

_FORMATS = (".json", ".html", ".svg", ".png")

LIMIT = 12
"""So many meta-features are shown unless they are named."""

BINS = 20
DECADES = 2
"""Where the largest value is at least so many powers of ten above the smallest the axis is
logarithmic."""

# Okabe, Ito 2008: told apart by people with any colour vision, and one is a bar, one a line.
_BAR, _LINE, _TEXT = "#8FB8D9", "#D55E00", "#444444"
_WIDTH, _HEIGHT = 220, 90
# 0.01, 20, 5k, 1M: SI letters for large numbers only, since 10m would not be read as 0.01.
_LABEL = "format(datum.value, abs(datum.value) < 1000 || abs(datum.value) > 1e14 ? '~g' : '~s')"

TITLES = {
    "nr_inst": "Instances",
    "nr_attr": "Attributes",
    "nr_class": "Classes",
    "nr_num": "Numeric attributes",
    "nr_cat": "Categorical attributes",
    "pct_missing": "Missing values, %",
    "imbalance_ratio": "Largest class / smallest class",
    "class_ent_norm": "Class entropy / largest possible",
    "inst_to_attr": "Instances per attribute",
    "class_ent": "Class entropy, bits",
    "mut_inf.mean": "Mutual information with the class, bits, mean",
    "attr_ent.mean": "Attribute entropy, bits, mean",
    "skewness.mean": "Skewness of attributes, mean",
    "kurtosis.mean": "Kurtosis of attributes, mean",
    "cor.mean": "Correlation of two attributes, mean",
    "one_nn.mean": "Accuracy of 1-nearest neighbour",
    "naive_bayes.mean": "Accuracy of naive Bayes",
    "best_node.mean": "Accuracy of the best decision stump",
    "linear_discr.mean": "Accuracy of the linear discriminant",
    "nr_bin": "Binary attributes",
    "nr_missing": "Missing values",
    "freq_class.min": "Share of the smallest class",
    "freq_class.max": "Share of the largest class",
    "leaves": "Leaves of a decision tree",
    "eq_num_attr": "Equivalent number of attributes",
    "ns_ratio": "Noise to signal ratio",
}
"""What a meta-feature is called in a picture; these come first where none are named."""

_WORDS = {
    "quantiles.1": "first quartile",
    "quantiles.2": "median",
    "quantiles.3": "third quartile",
}


def chart(
    store: Store,
    task: Task | Mapping[str, float],
    *,
    names: Sequence[str] | None = None,
    limit: int = LIMIT,
) -> dict[str, Any]:
    """The Vega-Lite specification of where a task lies among the tasks of a store.

    Args:
        task: A described task, stored or not, or its meta-features by name.
        names: Which meta-features; by default those the task has and the stored tasks differ in,
            the ones with a title first, then those most tasks have.
        limit: At most so many.

    Raises:
        NotFound: The stored tasks know none of these meta-features.
    """
    described = task.metafeatures if isinstance(task, Task) else task
    own = task.id if isinstance(task, Task) else ""
    asked = [n for n, v in described.items() if np.isfinite(v)] if names is None else list(names)
    rows = store.sql(
        """
        select name, value from descriptions
        where name in (select unnest($names::varchar[])) and task <> $own and isfinite(value)
        order by name, value
        """,
        {"names": asked, "own": own},
    )
    name, value = (rows.column(c) for c in ("name", "value"))
    values = _by_name(name, np.array(value, float))
    if names is None:
        differ = [n for n in values if values[n][0] < values[n][-1]] or list(values)
        place = {known: i for i, known in enumerate(TITLES)}
        asked = sorted(differ, key=lambda n: (place.get(n, len(place)), -len(values[n]), n))
    shown = [n for n in asked if n in values][:limit]
    if not shown:
        raise NotFound("the stored tasks know none of these meta-features; describe some of them")
    whose = (task.name or own) if isinstance(task, Task) else "this task"
    title = f"Where {whose} lies among the stored tasks"
    return spec({n: values[n] for n in shown}, described, title=title)


def write_chart(store: Store, task: Task | Mapping[str, float], path: Path) -> None:
    """Write `chart` to a file, whole or not at all.

    Args:
        path: `.json`: the specification alone; `.html`: a page that draws it, with Vega from
            jsdelivr.net, so that its reader needs a network; `.svg`, `.png`: the picture itself
            (needs the extra `viz`).

    Raises:
        WrongUsage: The suffix is another one.
        NotFound: The stored tasks know none of the task's meta-features.
    """
    check_chart(path)
    draw(chart(store, task), path, title="Where a task lies among the stored ones")


def check_chart(path: Path) -> None:
    """Refuse what no picture can be written to.

    Raises:
        WrongUsage: The suffix is none of .json, .html, .svg and .png.
        NotFound: There is no such folder.
    """
    if path.suffix not in _FORMATS:
        right = ", ".join(_FORMATS)
        raise WrongUsage(f"{path} ends in {path.suffix or 'nothing'!r}; right is one of {right}")
    if not path.absolute().parent.is_dir():
        raise NotFound(f"there is no folder {path.absolute().parent} to write {path.name} to")


def _by_name(name: Sequence[str], value: Floats) -> dict[str, Floats]:
    found: dict[str, list[float]] = {}
    for n, v in zip(name, value, strict=True):
        found.setdefault(n, []).append(v)
    return {n: np.array(v) for n, v in found.items()}


def spec(
    values: Mapping[str, Sequence[float] | Floats],
    here: Mapping[str, float],
    *,
    title: str,
    columns: int = 3,
) -> dict[str, Any]:
    """A Vega-Lite specification: for each meta-feature a histogram, and a line for one task.

    Args:
        values: Name to the values of the stored tasks.
        here: Name to the value of the task; one that is absent or not finite has no line.
        title: Of the whole.
    """
    finite = {name: _finite(each) for name, each in values.items()}
    known = {name: each for name, each in finite.items() if len(each)}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {
            "text": title,
            "subtitle": "bars: number of stored tasks; line: this task",
            "anchor": "start",
            "fontSize": 16,
            "offset": 22,
        },
        "columns": columns,
        "bounds": "flush",  # so that plots align; titles and axes lie in the spacing
        "spacing": {"row": 82, "column": 62},
        "concat": [
            _panel(name, each, _finite([here.get(name, np.nan)])) for name, each in known.items()
        ],
        "config": {
            "view": {"stroke": None},
            "font": "system-ui, sans-serif",
            "title": {"subtitleColor": _TEXT},
            "axis": {"labelColor": _TEXT, "titleColor": _TEXT, "titleFontWeight": "normal"},
        },
    }


def _finite(values: Sequence[float] | Floats) -> Floats:
    """Those that a picture can show; what is beyond 1e300 is drawn there."""
    array = np.asarray(values, float)
    clipped: Floats = np.clip(array[np.isfinite(array)], -1e300, 1e300)
    return clipped


def _panel(name: str, values: Floats, here: Floats) -> dict[str, Any]:
    """One histogram; `here` is the value of the task, (1,), or empty."""
    scale = _scale(np.append(values, here))
    x = {"scale": scale, "axis": _axis(scale), "title": None}
    counted = _histogram(values, scale)
    ticks = _ticks(max(bar["tasks"] for bar in counted))
    bars: dict[str, Any] = {
        "data": {"values": counted},
        "mark": {"type": "rect", "color": _BAR, "stroke": "white", "strokeWidth": 0.5},
        "encoding": {
            "x": {"field": "from", "type": "quantitative", **x},
            "x2": {"field": "to"},
            "y": {
                "field": "tasks",
                "type": "quantitative",
                "title": None,
                "scale": {"domain": [0, ticks[-1]], "nice": False},
                "axis": {"values": ticks, "format": ",d", "domain": False, "minExtent": 26},
            },
            "y2": {"datum": 0},
            "tooltip": [
                {"field": field, "type": "quantitative", "format": ".4~g"}
                for field in ("from", "to", "tasks")
            ],
        },
    }
    layers = [bars]
    if len(here):
        layers.append(
            {
                "data": {"values": [{"here": float(here[0])}]},
                "mark": {"type": "rule", "color": _LINE, "strokeWidth": 2.5},
                "encoding": {"x": {"field": "here", "type": "quantitative"}},
            }
        )
    return {
        "title": {
            "text": readable(name),
            "subtitle": _place(values, here),
            "anchor": "start",
            "frame": "group",
            "fontSize": 12,
            "subtitleFontSize": 11,
            "limit": _WIDTH + 40,
            "offset": 6,
        },
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": layers,
    }


def readable(name: str) -> str:
    """What a meta-feature is called in a picture: `t_mean.quantiles.2` is "t mean, median"."""
    feature, _, summary = name.partition(".")
    if name in TITLES or summary not in SUMMARIES:
        return TITLES.get(name, name)
    return f"{feature.replace('_', ' ')}, {_WORDS.get(summary, summary)}"


def _place(values: Floats, here: Floats) -> str:
    """The value and how many tasks are below it, in words."""
    n = f"{len(values):,} task" + "s" * (len(values) != 1)
    if not len(here):
        return f"unknown of this task; {n}"
    return f"{here[0]:,.4g}, more than {100 * (values < here[0]).mean():.0f} % of {n}"


def _scale(every: Floats) -> dict[str, Any]:
    """Linear; or logarithmic where the values span decades, symmetric around 0 if there are some
    of both signs or none."""
    low, high = float(every.min()), float(every.max())
    sizes = np.abs(every[every != 0])
    if low == high:
        margin = abs(low) / 10 or 1.0
        return {"type": "linear", "domain": [low - margin, high + margin], "zero": False}
    if len(sizes) and np.log10(sizes.max()) - np.log10(sizes.min()) >= DECADES:
        if low > 0:
            return {"type": "log", "domain": [low, high], "nice": False}
        constant = max(float(np.quantile(sizes, 0.1)), 1e-12 * float(sizes.max()))
        return {"type": "symlog", "constant": constant, "domain": [low, high], "nice": False}
    return {"type": "linear", "domain": [low, high], "nice": True, "zero": False}


def _histogram(values: Floats, scale: Mapping[str, Any]) -> list[dict[str, float]]:
    """Tasks between the edges of `BINS` bins that look equally wide; empty bins are left out."""
    low, high = scale["domain"]
    edges = np.linspace(_bend(low, scale), _bend(high, scale), BINS + 1)
    counts, _ = np.histogram(_bend(values, scale), edges)
    ends = _unbend(edges, scale)
    ends[0], ends[-1] = low, high
    return [
        {"from": float(ends[i]), "to": float(ends[i + 1]), "tasks": int(n)}
        for i, n in enumerate(counts)
        if n
    ]


def _bend(x: Any, scale: Mapping[str, Any]) -> Any:
    """Where Vega draws a value, up to a linear function."""
    if scale["type"] == "log":
        return np.log10(x)
    if scale["type"] == "symlog":
        return np.sign(x) * np.log1p(np.abs(x) / scale["constant"])
    return np.asarray(x, float)


def _unbend(place: Floats, scale: Mapping[str, Any]) -> Floats:
    if scale["type"] == "log":
        return np.asarray(10**place)
    if scale["type"] == "symlog":
        return np.asarray(np.sign(place) * np.expm1(np.abs(place)) * scale["constant"])
    return np.array(place, float)


def _axis(scale: Mapping[str, Any]) -> dict[str, Any]:
    """At most about five numbers; powers of ten where the scale is logarithmic."""
    axis: dict[str, Any] = {
        "grid": False,
        "labelOverlap": True,
        "tickCount": 5,
        "labelExpr": _LABEL,
    }
    if scale["type"] == "linear":
        return axis
    low, high = scale["domain"]
    powers = _powers(max(low, 0) or scale.get("constant", 1), high) if high > 0 else []
    if scale["type"] == "symlog":
        negative = [-p for p in _powers(scale["constant"], -low)][::-1] if low < 0 else []
        powers = [*negative, 0.0, *powers]
    return axis | {"values": powers}


def _ticks(most: float) -> list[int]:
    """Two to five round numbers from 0 to the first that is not below `most`."""
    size = 10 ** max(0, len(str(int(most))) - 2)
    step = next(s * size for s in (1, 2, 5, 10, 20, 25) if 4 * s * size >= most)
    return list(range(0, int(-(-most // step)) * step + 1, step))


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten between two positive numbers, at most five."""
    first, last = int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(high) + 1e-9))
    step = max(1, -(-(last - first + 1) // 5))
    return [float(f"1e{power}") for power in range(first, last + 1, step)]
