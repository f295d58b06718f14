"""Prints the evaluation report of an as-of day: all methods and both tracks, from `model_evaluation`."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.stores import open_store

if TYPE_CHECKING:
    from rec_assets.datasets.queries import Queries
    from rec_assets.evaluation.offline_inference import ServedModels

ASSET, METRICS_FILE = "model_evaluation", "metrics.parquet"
TREES = "boosted trees on the candidates"
TRACKS = {"all": "with repeats", "new": "only items new to the user"}
SHOWN = (
    "recall@10",
    "recall@100",
    "recall@300",
    "ndcg@10",
    "ndcg@10_error",
    "hit_rate@10",
    "coverage@10",
    "new_items@10",
)


def evaluation_of(day: str, settings: Settings) -> Artifact:
    """Returns the evaluation of an as-of day, and materializes a missing one.

    Raises:
        ActionableError: the models of the day are missing.
    """
    store = open_store(settings)
    if store.find(ASSET, day) is None:
        # `rec_assets.definitions` builds the graph at import, so it is imported only to materialize.
        from dagster import AssetsDefinition, DagsterInstance, materialize

        from rec_assets.definitions import defs

        store.get("dlrm_model", day)
        prepare_dagster_home(settings)
        assets = [one for one in defs.assets or () if isinstance(one, AssetsDefinition)]
        with DagsterInstance.get() as instance:
            materialize(assets, selection=[ASSET], instance=instance, resources=defs.resources, partition_key=day)
    return store.get(ASSET, day)


def following(day: str, days: int, settings: Settings, *, slow: bool = False) -> pl.DataFrame:
    """Evaluates the models of an as-of day on the next days, which no training used. Returns the table of the report.

    Args:
        day: the as-of day.
        days: number of days after it.
        settings: the settings of the home.
        slow: also evaluate the slow baselines, and boosted trees in place of the ranker.

    Raises:
        ActionableError: the models of the day are missing, or the source has no rows of the next days.
    """
    from benchmarks.boosted_trees import boosted_trees
    from rec_assets.evaluation.evaluate_models import compare
    from rec_assets.sources import open_source

    store = open_store(settings)
    models, queries, history = served(day, days, settings)
    report, *_ = compare(
        models,
        queries,
        history,
        open_source(settings).best_ranking,
        settings.valid_days,
        settings.seed,
        slow_baselines=slow,
        other_rankers={TREES: boosted_trees(store, day, models.retrieval, settings)} if slow else {},
    )
    return report.table


def served(day: str, days: int, settings: Settings) -> tuple["ServedModels", "Queries", pl.DataFrame]:
    """Returns the models of an as-of day, queries of the next days, and the rows of training and validation.

    Takes arguments and raises as `following`. The rows have user_id, item_id, device_type and timestamp.
    """
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.next_day_queries import next_day_queries
    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.evaluation.offline_inference import ServedModels
    from rec_assets.orchestration import jobs
    from rec_assets.orchestration.runs.run_local import Phase, rebuild

    store, end = open_store(settings), date.fromisoformat(day)
    ranker = store.get("dlrm_model", day) / "model.onnx"
    after = [(end + timedelta(days=n + 1)).isoformat() for n in range(days)]
    rebuild(settings, [Phase("daily_data", jobs.DAILY, after)])
    joined = [store.get("joined_interactions", d) / "rows.parquet" for d in after]
    window = [store.get("joined_interactions", d) / "rows.parquet" for d in model_days(end, settings)]
    data = EvaluationSet.load(store.get("training_set", day).path)
    tower, index = store.get("query_tower", day) / "model.onnx", store.get("faiss_index", day).path
    models = ServedModels(Retrieval(tower, index, data.items, data.log, data.repeats), ranker)
    queries = next_day_queries(store.get("nvt_workflows", day).path, joined)
    return models, queries, pl.read_parquet(window, columns=["user_id", "item_id", "device_type", "timestamp"])


def model_days(end: date, settings: Settings) -> list[str]:
    """Returns the training and validation days of a model as of `end`."""
    count = settings.train_days + settings.valid_days
    days = [end - timedelta(days=n) for n in reversed(range(count))]
    return [d.isoformat() for d in days if d >= settings.start_date]


def rows_of(metrics: pl.DataFrame, track: str, segment: str) -> list[list[str]]:
    """Returns one row per method, lowest NDCG@10 first: name, number of users and the figures of `SHOWN`, as text."""
    rows = metrics.filter(track=track, segment=segment).sort("ndcg@10", maintain_order=True)
    return [
        [row["method"], str(row["users"]), *("-" if row[name] is None else f"{row[name]:.4f}" for name in SHOWN)]
        for row in rows.iter_rows(named=True)
    ]


def markdown(rows: list[list[str]]) -> str:
    """Formats rows as a Markdown table."""
    head = ["method", "users", *SHOWN]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(console: Console, title: str, rows: list[list[str]]) -> None:
    """Prints rows as a table that fits a terminal of 100 columns, with three decimals."""
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("method", overflow="fold")
    for name in ("users", *SHOWN):
        table.add_column(name.replace("recall", "R").replace("_error", " ±").replace("_", " "), justify="right")
    for method, users, *figures in rows:
        table.add_row(method, users, *("-" if figure == "-" else f"{float(figure):.3f}" for figure in figures))
    console.print(table)


def main(
    day: Annotated[str, typer.Argument(help="The as-of day. Default: the day of the first full training.")] = "",
    following_days: Annotated[int, typer.Option("--following", help="Evaluate on so many later days instead.")] = 0,
    slow: Annotated[
        bool, typer.Option(help="With --following: also EASE, TIFU-kNN, BM25 and boosted trees, which take minutes.")
    ] = False,
    segment: Annotated[str, typer.Option(help="User segment: all, known, cold, light, heavy or 'new items'.")] = "all",
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for docs/quality.md.")] = False,
) -> None:
    """Prints the evaluation of an as-of day, and materializes a missing one if the models exist."""
    settings = get_settings()
    day = day or settings.as_of.isoformat()
    try:
        if following_days:
            metrics = following(day, following_days, settings, slow=slow)
        else:
            metrics = pl.read_parquet(evaluation_of(day, settings) / METRICS_FILE)
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    for track, meaning in TRACKS.items():
        when = f"the {following_days} days after {day}" if following_days else f"validation as of {day}"
        title = f"Track {track} ({meaning}), {segment}, {when}"
        rows = rows_of(metrics, track, segment)
        if as_markdown:
            print(f"**{title}**\n\n{markdown(rows)}\n")
        else:
            show(Console(), title, rows)


if __name__ == "__main__":
    typer.run(main)
