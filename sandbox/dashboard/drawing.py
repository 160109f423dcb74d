"""Draw the panels of a dashboard as an image, in the layout of CloudWatch."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from math import nan
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from PIL import Image

from sandbox.dashboard.metrics import MetricValues, Panel, Periods, Series, View

# The sizes of a column, a row and the header in inches.
_COLUMN, _ROW, _HEADER = 0.62, 0.46, 0.9
_DPI = 100
_IMAGE_COLORS = 160
_INK, _FAINT, _EDGE, _GROUND = "#1f2933", "#6b7785", "#d9dee4", "#f2f4f7"
_BAR = "#2b6cb0"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _EDGE,
    "axes.labelcolor": _FAINT,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(panels: Sequence[Panel], metrics: MetricValues, name: str) -> bytes:
    """Return a PNG image of ``panels`` with the values of ``metrics``. Raises ``ValueError`` without values."""
    begin, end = metrics.span
    periods = Periods.of(begin, end)
    columns = max(x + width for x, _, width, _ in (panel.grid_cell for panel in panels))
    rows = max(y + height for _, y, _, height in (panel.grid_cell for panel in panels))
    size = (columns * _COLUMN, rows * _ROW + _HEADER)
    with rc_context(_STYLE):
        figure = Figure(figsize=size, dpi=_DPI, facecolor=_GROUND)
        _head(figure, size, name, periods, (begin, end))
        for panel in panels:
            x, y, width, height = panel.grid_cell
            inches = (x * _COLUMN, (rows - y - height) * _ROW, width * _COLUMN, height * _ROW)
            _Card(figure, size, inches, panel, metrics, periods).draw()
        png, compressed = BytesIO(), BytesIO()
        figure.savefig(png, format="png", facecolor=_GROUND)
    # A palette reduces the file to a third.
    image = Image.open(png).convert("RGB").quantize(_IMAGE_COLORS)
    image.save(compressed, "PNG", optimize=True)
    return compressed.getvalue()


def _head(figure: Figure, size: tuple[float, float], name: str, periods: Periods, span: tuple[float, float]) -> None:
    begin, end = (datetime.fromtimestamp(timestamp, UTC) for timestamp in span)
    caption = f"{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC, each point {_format_duration(periods.seconds)}"
    top = 1 - 0.34 / size[1]
    figure.text(0.14 / size[0], top, f"PayNearMe at {name}", fontsize=17, fontweight="bold", va="center")
    figure.text(0.14 / size[0], top - 0.31 / size[1], caption, fontsize=10, color=_FAINT, va="center")


def _format_duration(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            count = seconds // length
            return f"a {unit}" if count == 1 else f"{count} {unit}s"
    return "a second" if seconds == 1 else f"{seconds} seconds"


class _Card:
    """A panel on the figure: a white card with a title and a chart."""

    def __init__(
        self,
        figure: Figure,
        size: tuple[float, float],
        inches: tuple[float, float, float, float],
        panel: Panel,
        metrics: MetricValues,
        periods: Periods,
    ) -> None:
        self._figure = figure
        self._size = size
        self._left, self._bottom, self._width, self._height = inches
        self._panel = panel
        self._metrics = metrics
        self._periods = periods

    def draw(self) -> None:
        gap = 0.07
        card = FancyBboxPatch(
            ((self._left + gap) / self._size[0], (self._bottom + gap) / self._size[1]),
            (self._width - 2 * gap) / self._size[0],
            (self._height - 2 * gap) / self._size[1],
            boxstyle="round,pad=0,rounding_size=0.004",
            mutation_aspect=self._size[0] / self._size[1],
            facecolor="white",
            edgecolor=_EDGE,
            transform=self._figure.transFigure,
            zorder=-1,
        )
        self._figure.add_artist(card)
        self._text(0.22, 0.27, self._panel.title, fontsize=11.5, fontweight="bold")
        drawing: dict[View, Callable[[], None]] = {
            "singleValue": self._single_values,
            "timeSeries": self._lines,
            "bar": self._bars,
        }
        drawing[self._panel.view]()

    def _text(self, right: float, down: float, text: str, **style: object) -> None:
        """Write ``text``. ``right`` and ``down`` are the distance from the upper left corner in inches."""
        position = (self._left + right) / self._size[0], (self._bottom + self._height - down) / self._size[1]
        self._figure.text(*position, text, va="center", **style)  # type: ignore[arg-type] # names of matplotlib

    def _axes(self, left: float, right: float, top: float, bottom: float) -> Axes:
        """Return axes with margins in inches inside the card."""
        axes = self._figure.add_axes(
            (
                (self._left + left) / self._size[0],
                (self._bottom + bottom) / self._size[1],
                (self._width - left - right) / self._size[0],
                (self._height - top - bottom) / self._size[1],
            )
        )
        axes.set_facecolor("white")
        axes.tick_params(length=0, labelsize=8.5)
        return axes

    def _single_values(self) -> None:
        column_width = self._width / len(self._panel.series)
        for index, series in enumerate(self._panel.series):
            value = self._metrics.overall(series)
            middle = (index + 0.5) * column_width
            color = series.color if value else _FAINT
            self._text(middle, 0.92, _format_number(value), fontsize=21, fontweight="bold", color=color, ha="center")
            self._text(middle, 1.38, series.label, fontsize=9.5, color=_FAINT, ha="center")

    def _lines(self) -> None:
        visible = [series for series in self._panel.series if self._metrics.overall(series)]
        axes = self._axes(0.72, 0.48, 0.72 + 0.17 * self._legend(visible), 0.4)
        seconds = self._periods.seconds
        times = [self._periods.begin + (index + 0.5) * seconds for index in range(self._periods.count)]
        if self._panel.stacked:
            self._stack(axes, times, visible)
        else:
            for series in visible:
                # nan interrupts the line.
                values = [nan if v is None else v for v in self._metrics.per_period(series, self._periods)]
                axes.plot(times, values, color=series.color, linewidth=1.6, marker="o", markersize=3.2)
        for limit in self._panel.limits:
            axes.axhline(limit.value, color=limit.color, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(
                limit.label,
                (0, limit.value),
                (4, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                color=limit.color,
                fontsize=8,
            )
        axes.set_xlim(times[0] - seconds / 2, times[-1] + seconds / 2)
        axes.set_ylim(0, self._panel.max_value or max(axes.get_ylim()[1] * 1.06, 1))
        axes.set_ylabel(self._panel.unit, fontsize=8.5)
        axes.xaxis.set_major_locator(FixedLocator(self._periods.ticks(5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda timestamp, _: _format_time(timestamp, seconds)))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _format_number(value)))
        axes.grid(axis="y", color=_EDGE, linewidth=0.7)
        axes.set_axisbelow(True)

    def _stack(self, axes: Axes, times: list[float], visible: list[Series]) -> None:
        below = [0.0] * len(times)
        for series in visible:
            values = [value or 0.0 for value in self._metrics.per_period(series, self._periods)]
            axes.bar(times, values, width=self._periods.seconds * 0.86, bottom=below, color=series.color, linewidth=0)
            below = [a + b for a, b in zip(below, values, strict=True)]

    def _legend(self, visible: Sequence[Series]) -> int:
        """Write the labels of the visible series under the title, and return the number of lines."""
        if not visible:
            self._text(0.22, 0.56, "no data", fontsize=8.5, color=_FAINT)
        right, lines = 0.22, 1
        for series in visible:
            width = 0.24 + 0.071 * len(series.label)
            if right + width > self._width - 0.15:
                right, lines = 0.22, lines + 1
            down = 0.39 + 0.17 * lines
            self._text(right, down, "\N{BLACK SQUARE}", fontsize=8, color=series.color)
            self._text(right + 0.14, down, series.label, fontsize=8.5, color=_INK)
            right += width
        return lines

    def _bars(self) -> None:
        """Draw the values as bars, the highest first."""
        labelled_values = [(series.label, self._metrics.overall(series)) for series in self._panel.series]
        visible = sorted((pair for pair in labelled_values if pair[1]), key=lambda pair: -pair[1])
        if not visible:
            self._legend(())
            return
        axes = self._axes(2.5, 0.5, 0.55, 0.2)
        axes.spines[:].set_visible(False)
        labels, values = zip(*visible, strict=True)
        positions = range(len(visible))
        bars = axes.barh(positions, values, color=_BAR, height=0.68)
        # The same thickness for few and many bars.
        lines = max(len(visible), int((self._height - 0.75) / 0.24))
        fontsize = min(8.5, (self._height - 0.75) / lines * 72 * 0.76)
        axes.bar_label(bars, [_format_number(value) for value in values], padding=4, fontsize=fontsize, color=_INK)
        axes.set_yticks(positions, labels, fontsize=fontsize, color=_INK)
        axes.set_xticks([])
        axes.set_ylim(lines - 0.5, -0.5)
        axes.set_xlim(0, max(values) * 1.08)


def _format_time(timestamp: float, period: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):{'%H:%M:%S' if period < 60 else '%H:%M'}}"


def _format_number(value: float) -> str:
    """Return ``value`` with thousands separators, and with three significant digits below 1,000."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")
