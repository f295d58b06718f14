"""Bayes' rule on the suite's small shop."""

import polars as pl
import pytest

from rec_assets_tests.pipeline import Pipeline

pytestmark = pytest.mark.slow


def test_inferred_lists_are_better_than_popular_ones_and_not_above_the_oracle(pipeline: Pipeline) -> None:
    from benchmarks.ceiling import compare
    from rec_assets.datasets.queries import Queries
    from rec_assets.sources import open_source
    from rec_assets.sources.retail import RetailSource

    queries = Queries.load(pipeline.artifact("training_set") / "validation")
    known = queries.at((~queries.cold).nonzero()[0]).sample(100, 0)
    days = pipeline.store.partitions("joined_interactions")[: pipeline.settings.train_days]
    rows = pl.concat([pl.read_parquet(pipeline.artifact("joined_interactions", day) / "rows.parquet") for day in days])
    source = open_source(pipeline.settings)
    assert isinstance(source, RetailSource)
    scores = compare(known, rows, source, drawn=2_000)
    assert scores.height == len(known)
    metrics = pl.read_parquet(pipeline.artifact("model_evaluation") / "metrics.parquet")
    popularity = metrics.filter(track="all", segment="known", method="popularity")["ndcg@10"][0]
    inferred, oracle = scores["inferred"].to_numpy().mean(), scores["oracle"].to_numpy().mean()
    assert popularity < inferred < oracle
