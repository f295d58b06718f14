"""Plots and tables for the Dagster UI: Markdown with embedded PNGs, and previews of frames."""

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
from dagster import MarkdownMetadataValue, MetadataValue

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (7.0, 3.2)
DPI = 110
MAX_TICKS = 12
BARS = "▁▂▃▄▅▆▇█"


def preview(frame: pl.DataFrame, rows: int = 5) -> MarkdownMetadataValue:
    """Returns the first rows as a Markdown table, without user ids.

    Dagster keeps this table for ever, and a person can be deleted.
    """
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_rows=rows,
        tbl_cols=-1,
        fmt_str_lengths=60,
        tbl_width_chars=10_000,
        float_precision=4,
    ):
        return MetadataValue.md(str(frame.head(rows).drop("user_id", strict=False)))


def line_plot(series: Mapping[str, Sequence[float]], x_label: str, title: str) -> MarkdownMetadataValue:
    """Plots one line per series over 1, 2, …; two series get separate y axes, left and right."""
    figure = _figure()
    axis = figure.subplots()
    axes = [axis, axis.twinx()] if len(series) == 2 else [axis] * len(series)
    for number, (name, values) in enumerate(series.items()):
        color = f"C{number}"
        axes[number].plot(range(1, len(values) + 1), values, marker="o", markersize=3, color=color, label=name)
        if len(series) == 2:
            axes[number].set_ylabel(name, color=color)
    axis.set(xlabel=x_label, title=title)
    axis.locator_params(axis="x", integer=True)
    if len(series) > 2:
        axis.legend()
    return _embed(figure, title)


def daily_plot(series: Mapping[str, Mapping[str, float]], y_label: str, title: str) -> MarkdownMetadataValue:
    """Plots one line per series over days: {series: {ISO day: value}}."""
    figure = _figure()
    axis = figure.subplots()
    for name, values in series.items():
        days = [f"{date.fromisoformat(day):%d %b}" for day in values]
        axis.plot(days, list(values.values()), marker="o", markersize=4, label=name)
    axis.set(ylabel=y_label, title=title, ylim=(0, None))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _embed(figure, title)


def bar_plot(groups: Mapping[str, Mapping[str, float]], y_label: str, title: str) -> MarkdownMetadataValue:
    """Plots grouped bars: {series: {x: value}}."""
    figure = _figure()
    axis = figure.subplots()
    labels = list(dict.fromkeys(label for values in groups.values() for label in values))
    width = 0.8 / len(groups)
    for number, (name, values) in enumerate(groups.items()):
        positions = [i + (number - (len(groups) - 1) / 2) * width for i in range(len(labels))]
        bars = axis.bar(positions, [values.get(label, 0.0) for label in labels], width, label=name)
        texts = [f"{values[label]:.3f}" if label in values else "" for label in labels]
        axis.bar_label(bars, texts, fontsize=7)
    names = [textwrap.fill(label, 11) for label in labels]
    axis.set(xticks=range(len(labels)), xticklabels=names, ylabel=y_label, title=title)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=8)
    return _embed(figure, title)


def reliability_plot(scores: Sequence[float], rates: Sequence[float], title: str) -> MarkdownMetadataValue:
    """Plots the observed rate by score, with the diagonal of calibrated scores. Both axes are logarithmic."""
    figure = _figure((4.2, 4.0))
    axis = figure.subplots()
    shown = [(score, rate) for score, rate in zip(scores, rates, strict=True) if score > 0 and rate > 0]
    ends = [min(map(min, shown)), max(map(max, shown))] if shown else [0.01, 1.0]
    axis.plot(ends, ends, color="0.7", linestyle="--")
    axis.plot([score for score, _ in shown], [rate for _, rate in shown], marker="o", markersize=4, color="C0")
    axis.set(xscale="log", yscale="log", xlabel="score", ylabel="observed rate", title=title)
    axis.spines[["top", "right"]].set_visible(False)
    return _embed(figure, title)


def rate_plot(
    rates: pl.DataFrame, x_label: str, rate_label: str, counted: str, *, connect: bool = False
) -> MarkdownMetadataValue:
    """Plots rates with their confidence intervals, above the counts that they are shares of.

    Args:
        rates: value, kind, shown, rate, low and high, as in `evaluation.outcomes.rates.RATES`; the values in order.
        x_label: name of the values.
        rate_label: name of the rates.
        counted: name of the counts.
        connect: draw lines between the values.
    """
    from matplotlib.ticker import PercentFormatter

    values, kinds = rates["value"].unique(maintain_order=True).to_list(), rates["kind"].unique().sort().to_list()
    kinds = kinds[1:] if kinds[0] == "any" and len(kinds) == 2 else kinds  # "any" equals the only other kind
    title = f"Outcomes by {x_label}, with 95 % intervals"
    figure = _figure((7.0, 3.8))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for number, kind in enumerate(kinds):
        of_kind = rates.filter(kind=kind)
        middle = of_kind["rate"].to_numpy()
        # The interval of no hits may start a rounding error above 0.
        below, above = (middle - of_kind["low"].to_numpy()).clip(0), of_kind["high"].to_numpy() - middle
        places = [values.index(value) + (number - (len(kinds) - 1) / 2) * 0.15 for value in of_kind["value"]]
        style = "o-" if connect else "o"
        lengths = [below.tolist(), above.clip(0).tolist()]
        upper.errorbar(places, middle, lengths, fmt=style, ms=4, lw=1, capsize=2, label=kind)
    counts = rates.unique("value", keep="first")
    lower.bar([values.index(value) for value in counts["value"]], counts["shown"].to_list(), color="0.75")
    step = -(-len(values) // MAX_TICKS)
    lower.set_xticks(range(0, len(values), step), [textwrap.fill(value, 11) for value in values[::step]], fontsize=8)
    lower.set(xlabel=x_label, ylabel=counted)
    lower.locator_params(axis="y", nbins=3, integer=True)
    upper.set(ylabel=rate_label, title=title, ylim=(0, None), xlim=(-0.7, max(len(values), 5) - 0.3))
    upper.yaxis.set_major_formatter(PercentFormatter(1.0))
    upper.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    for axis in (upper, lower):
        axis.spines[["top", "right"]].set_visible(False)
    return _embed(figure, title)


def histogram(values: Sequence[float], x_label: str, title: str, bins: int = 24) -> MarkdownMetadataValue:
    """Plots the counts of values in equal bins."""
    figure = _figure()
    axis = figure.subplots()
    axis.hist(values, bins=bins, color="C0")
    axis.set(xlabel=x_label, ylabel="count", title=title)
    axis.spines[["top", "right"]].set_visible(False)
    return _embed(figure, title)


def text_bars(counts: Sequence[int]) -> str:
    """Returns one character per count, from "▁" (0) to "█" (the largest). Costs nothing, so each day can have it."""
    most = max(max(counts, default=0), 1)
    return "".join(BARS[round(count / most * (len(BARS) - 1))] for count in counts)


def scatter(points: Sequence[Sequence[float]], labels: Sequence[int], title: str) -> MarkdownMetadataValue:
    """Plots points [n, 2], colored by label."""
    figure = _figure((5.5, 4.2))
    axis = figure.subplots()
    axis.scatter([p[0] for p in points], [p[1] for p in points], c=labels, cmap="tab20", s=6)
    axis.set(title=title, xticks=[], yticks=[])
    return _embed(figure, title)


def _figure(size: tuple[float, float] = SIZE) -> "Figure":
    from matplotlib.figure import Figure  # 0.7 s, not paid when the code location loads

    return Figure(figsize=size, layout="constrained")


def _embed(figure: "Figure", title: str) -> MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})")
