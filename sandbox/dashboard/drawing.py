"""Draw the panels of a dashboard as an image, in the layout of CloudWatch."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from math import nan
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from sandbox.dashboard.metrics import MetricValues, Panel, Periods

# The sizes of a column, a row and the header in inches.
_COLUMN, _ROW, _HEADER = 0.62, 0.46, 0.7
_IMAGE_COLORS = 160
_FAINT, _EDGE, _BAR = "#6b7785", "#d9dee4", "#2b6cb0"
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": _EDGE,
    "axes.labelcolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "grid.color": _EDGE,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 0.8,
}


def draw(panels: Sequence[Panel], metrics: MetricValues, name: str) -> bytes:
    """Return a PNG image of ``panels`` with the values of ``metrics``. Raises ``ValueError`` without values."""
    begin, end = metrics.span
    periods = Periods.of(begin, end)
    columns = max(x + width for x, _, width, _ in (panel.grid_cell for panel in panels))
    rows = max(y + height for _, y, _, height in (panel.grid_cell for panel in panels))
    total_width, total_height = columns * _COLUMN, rows * _ROW + _HEADER
    with rc_context(_STYLE):
        figure = Figure(figsize=(total_width, total_height), dpi=100)
        times = [f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}" for second in (begin, end)]
        title = f"PayNearMe at {name}, {' to '.join(times)} UTC, {periods.seconds} s per point"
        figure.suptitle(title, x=0.02, y=1 - 0.3 / total_height, ha="left", fontsize=14)
        for panel in panels:
            x, y, width, height = panel.grid_cell
            # The margins contain the labels: wide ones to the left of bars, the legend above lines.
            left_margin, top = (2.6 if panel.view == "bar" else 0.75), (1.0 if panel.view == "timeSeries" else 0.5)
            bottom = (rows - y - height) * _ROW
            axes = figure.add_axes(
                (
                    (x * _COLUMN + left_margin) / total_width,
                    (bottom + 0.35) / total_height,
                    (width * _COLUMN - left_margin - 0.35) / total_width,
                    (height * _ROW - top - 0.35) / total_height,
                )
            )
            axes.set_title(
                panel.title, x=(0.2 - left_margin) / (width * _COLUMN - left_margin - 0.35), pad=(top - 0.4) * 72
            )
            {"singleValue": _single_values, "timeSeries": _lines, "bar": _bars}[panel.view](
                axes, panel, metrics, periods
            )
            if panel.view != "singleValue" and not any(map(metrics.overall, panel.series)):
                axes.text(0.5, 0.5, "no data", color=_FAINT, ha="center", transform=axes.transAxes)
        png, compressed = BytesIO(), BytesIO()
        figure.savefig(png, format="png")
    # A palette reduces the file to a third.
    Image.open(png).convert("RGB").quantize(_IMAGE_COLORS).save(compressed, "PNG", optimize=True)
    return compressed.getvalue()


def _single_values(axes: Axes, panel: Panel, metrics: MetricValues, periods: Periods) -> None:
    axes.set_axis_off()
    for index, series in enumerate(panel.series):
        x, value = (index + 0.5) / len(panel.series), metrics.overall(series)
        color = series.color if value else _FAINT
        axes.text(x, 0.7, _format_number(value), fontsize=21, fontweight="bold", color=color, ha="center")
        axes.text(x, 0.2, series.label, fontsize=9.5, color=_FAINT, ha="center")


def _lines(axes: Axes, panel: Panel, metrics: MetricValues, periods: Periods) -> None:
    # matplotlib counts days since 1970.
    period = periods.seconds / 86_400
    times = [periods.begin / 86_400 + (index + 0.5) * period for index in range(periods.count)]
    below = [0.0] * len(times)
    visible = [series for series in panel.series if metrics.overall(series)]
    for series in visible:
        values = metrics.per_period(series, periods)
        if panel.stacked:
            heights = [value or 0.0 for value in values]
            axes.bar(times, heights, width=period * 0.86, bottom=below, color=series.color, label=series.label)
            below = [a + b for a, b in zip(below, heights, strict=True)]
        else:
            # nan interrupts the line.
            points = [nan if value is None else value for value in values]
            axes.plot(times, points, color=series.color, marker="o", markersize=3, label=series.label)
    for limit in panel.limits:
        axes.axhline(limit.value, color=limit.color, linewidth=1, linestyle="--", label=limit.label)
    if visible:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 1.02), ncols=3, borderaxespad=0)
    axes.set_xlim(times[0] - period / 2, times[-1] + period / 2)
    axes.set_ylim(0, panel.max_value or max(axes.get_ylim()[1] * 1.06, 1))
    axes.set_ylabel(panel.unit)
    locator = AutoDateLocator(tz=UTC, maxticks=5)  # type: ignore[no-untyped-call] # of matplotlib
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S", tz=UTC))  # type: ignore[no-untyped-call] # of matplotlib
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _format_number(value)))
    axes.grid(axis="y")


def _bars(axes: Axes, panel: Panel, metrics: MetricValues, periods: Periods) -> None:
    """Draw the values as bars, the highest first."""
    values = [(series, metrics.overall(series)) for series in panel.series]
    visible = sorted((pair for pair in values if pair[1]), key=lambda pair: -pair[1])
    positions = range(len(visible))
    bars = axes.barh(positions, [value for _, value in visible], color=_BAR)
    axes.bar_label(bars, [_format_number(value) for _, value in visible], padding=4, fontsize=8)
    axes.set_yticks(positions, [series.label for series, _ in visible], fontsize=8)
    axes.set_xticks([])
    # The same thickness for few and many bars.
    axes.set_ylim(max(len(visible), 8) - 0.5, -0.5)
    axes.margins(x=0.1)


def _format_number(value: float) -> str:
    """Return ``value`` with thousands separators, and with three significant digits below 1,000."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
