"""Read the panels of a CloudWatch dashboard from its body, and the values of its metrics from log lines."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np

type Value = tuple[float, float]
"""A timestamp in Unix seconds, and a value."""

_MAX_PERIODS = 60
_PERIODS = (1, 2, 5, 10, 15, 30, 60, 300, 900, 3600, 21_600, 86_400)
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {"Sum": sum, "Maximum": max}
_QUOTIENT = re.compile(r"(\w+)/([1-9][0-9]*)")


@dataclass(frozen=True)
class Series:
    """A metric in a panel, with a label, a statistic and a divisor."""

    metric: tuple[str, str, frozenset[tuple[str, str]]]
    label: str
    color: str | None
    statistic: str
    divisor: int = 1


@dataclass(frozen=True)
class Limit:
    """A horizontal line with a label."""

    label: str
    value: float
    color: str


@dataclass(frozen=True)
class Panel:
    """A widget, with its position in a grid of 24 columns."""

    title: str
    view: Literal["singleValue", "timeSeries", "bar"]
    grid_cell: tuple[int, int, int, int]
    series: tuple[Series, ...]
    unit: str = ""
    max_value: float | None = None
    stacked: bool = False
    limits: tuple[Limit, ...] = ()


def panels_of(body: str) -> list[Panel]:
    """Return the panels of a dashboard's body.

    Raises ``KeyError`` and ``ValueError`` for a feature that the template does not use. The only supported metric math
    is a division by a number.
    """
    return [_panel(widget) for widget in json.loads(body)["widgets"]]


def _panel(widget: Mapping[str, Any]) -> Panel:
    properties = widget["properties"]
    axis = properties.get("yAxis", {}).get("left", {})
    lines = properties.get("annotations", {}).get("horizontal", [])
    return Panel(
        title=properties["title"],
        view=properties["view"],
        grid_cell=(widget["x"], widget["y"], widget["width"], widget["height"]),
        series=tuple(_series(properties["metrics"], properties["stat"])),
        unit=axis.get("label", ""),
        max_value=axis.get("max"),
        stacked=properties.get("stacked", False),
        limits=tuple(Limit(line["label"], line["value"], line["color"]) for line in lines),
    )


def _series(entries: Sequence[Sequence[Any]], statistic: str) -> Iterable[Series]:
    """Yield the visible metrics of a widget."""
    plain: dict[str, Series] = {}
    for entry in entries:
        *names, options = entry if isinstance(entry[-1], dict) else (*entry, {})
        if names:
            dimensions = frozenset(zip(names[2::2], names[3::2], strict=True))
            metric = (names[0], names[1], dimensions)
            label, color = options.get("label", names[1]), options.get("color")
            series = Series(metric, label, color, options.get("stat", statistic))
            plain[options.get("id", f"{len(plain)}")] = series
    for entry in entries:
        if "expression" in entry[-1]:
            options = entry[-1]
            quotient = _QUOTIENT.fullmatch(options["expression"])
            if quotient is None:
                raise ValueError(f"{options['expression']} is not supported")
            dividend = plain.pop(quotient[1])
            metric, statistic = dividend.metric, dividend.statistic
            yield Series(metric, options["label"], options["color"], statistic, int(quotient[2]))
    yield from plain.values()


class MetricValues:
    """Values of metrics by namespace, name and dimensions, as in CloudWatch."""

    def __init__(self) -> None:
        """Start without values."""
        self._values: defaultdict[tuple[str, str, frozenset[tuple[str, str]]], list[Value]] = defaultdict(list)

    def read(self, lines: Iterable[str]) -> None:
        """Add the metrics of log lines in CloudWatch's embedded metric format."""
        for line in lines:
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict) and "_aws" in content:
                self._add_embedded_metrics(content)

    def _add_embedded_metrics(self, content: Mapping[str, Any]) -> None:
        timestamp = content["_aws"]["Timestamp"] / 1000
        for directive in content["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: content[name] for name in names}
                for metric in directive["Metrics"]:
                    raw_value = content[metric["Name"]]
                    values = raw_value if isinstance(raw_value, list) else [raw_value]
                    for value in values:
                        self.add(directive["Namespace"], metric["Name"], dimensions, timestamp, value)

    def add(self, namespace: str, name: str, dimensions: Mapping[str, str], timestamp: float, value: float) -> None:
        """Add a value. ``timestamp`` is in Unix seconds."""
        self._values[namespace, name, frozenset(dimensions.items())].append((timestamp, value))

    @property
    def span(self) -> tuple[float, float]:
        """The timestamps of the first and the last value. Raises ``ValueError`` without values."""
        timestamps = [timestamp for values in self._values.values() for timestamp, _ in values]
        return min(timestamps), max(timestamps)

    def overall(self, series: Series) -> float:
        """Return the statistic of a series over all values, or 0 without values."""
        return _statistic(series, [value for _, value in self._values.get(series.metric, [])]) or 0.0

    def per_period(self, series: Series, periods: "Periods") -> list[float | None]:
        """Return the statistic of a series for each period. A period without values has None."""
        by_period: list[list[float]] = [[] for _ in range(periods.count)]
        for timestamp, value in self._values.get(series.metric, []):
            by_period[periods.index_of(timestamp)].append(value)
        return [_statistic(series, values) for values in by_period]


@dataclass(frozen=True)
class Periods:
    """A time span in ``count`` periods of equal length."""

    begin: float
    seconds: int
    count: int

    @classmethod
    def of(cls, begin: float, end: float) -> "Periods":
        """Return the shortest periods that divide the span into at most 60 parts."""
        candidates = [seconds for seconds in _PERIODS if (end - begin) / seconds < _MAX_PERIODS - 1]
        seconds = candidates[0] if candidates else ceil((end - begin) / _MAX_PERIODS)
        first = begin // seconds * seconds
        return cls(first, seconds, int((end - first) // seconds) + 1)

    def index_of(self, timestamp: float) -> int:
        """Return the index of the period that contains ``timestamp``."""
        return int((timestamp - self.begin) // self.seconds)


def _statistic(series: Series, values: Sequence[float]) -> float | None:
    if not values:
        return None
    if series.statistic in _STATISTICS:
        return _STATISTICS[series.statistic](values) / series.divisor
    return float(np.percentile(values, float(series.statistic.removeprefix("p")))) / series.divisor
