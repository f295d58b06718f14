import base64
import re

import polars as pl
import pytest
from dagster import MarkdownMetadataValue

from rec_assets.orchestration import metadata_plots

RATES = pl.DataFrame(
    [("3 Mar", "any", 9, 0.0, 1e-18, 0.3), ("4 Mar", "any", 4, 0.5, 0.1, 0.9)],
    ["value", "kind", "shown", "rate", "low", "high"],
    orient="row",
)


def png_of(markdown: str) -> bytes:
    match = re.fullmatch(r"!\[.*\]\(data:image/png;base64,(.*)\)", markdown)
    assert match is not None
    return base64.b64decode(match.group(1))


@pytest.mark.parametrize(
    "plot",
    [
        metadata_plots.line_plot({"loss": [3.0, 2.0], "recall": [0.1, 0.2]}, "epoch", "training"),
        metadata_plots.line_plot({"a": [1.0], "b": [2.0], "c": [3.0]}, "day", "three"),
        metadata_plots.bar_plot({"ours": {"ndcg": 0.3}, "popularity": {"ndcg": 0.1}}, "", "quality"),
        metadata_plots.rate_plot(RATES, "day", "share of answers", "answers", connect=True),
        metadata_plots.histogram([1.0, 2.0, 2.5], "price", "prices"),
        metadata_plots.scatter([[0.0, 1.0], [1.0, 0.0]], [0, 1], "map"),
    ],
)
def test_a_plot_is_a_png_inside_markdown(plot: MarkdownMetadataValue) -> None:
    assert png_of(plot.value).startswith(b"\x89PNG")


def test_a_preview_is_a_markdown_table_of_the_first_rows() -> None:
    text = metadata_plots.preview(pl.DataFrame({"item_id": range(9), "title": ["lamp"] * 9}), rows=3).value
    lines = text.splitlines()
    assert lines[0].startswith("| item_id | title |")
    assert len(lines) == 5


def test_text_bars_scale_to_the_largest_count() -> None:
    assert metadata_plots.text_bars([0, 7, 14]) == "▁▅█"
    assert metadata_plots.text_bars([0, 0]) == "▁▁"
