"""Full trainings of an as-of day: the two towers, their exports and item vectors, and the ranker."""

from pathlib import Path
from typing import Any

import numpy as np
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.bundles.export_report import MODEL
from rec_assets.common.files import digest_of_file
from rec_assets.common.seeds import seed_for
from rec_assets.inference.item_vectors import ALL_VECTORS
from rec_assets.orchestration.assets.feature_data.features import Days
from rec_assets.orchestration.assets.models.training_state import TrainingState
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.assets.upstream import lineage_of
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.metadata_plots import histogram, line_plot
from rec_assets.orchestration.op_tags import CPU, GPU, TRAINING_POOL
from rec_assets.orchestration.partitions import daily
from rec_assets.orchestration.peak_memory import release_memory
from rec_assets.orchestration.resources import Artifacts, SettingsResource

COMMON: dict[str, Any] = {
    "group_name": "training",
    "owners": OWNERS,
    "partitions_def": daily,
    "code_version": "5",
    "freshness_policy": WEEKLY_FRESHNESS,
}
RANKING_RETRIEVAL = "ranking_retrieval"
VALIDATION_RETRIEVAL, VALIDATION_RANKER = "validation_retrieval", "validation_ranker"
TRAINER: dict[str, Any] = {**COMMON, "op_tags": GPU, "pool": TRAINING_POOL}


@asset(**{**TRAINER, "code_version": "8"}, kinds={"tensorflow"})
def two_tower_model(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    training_set: Days,
) -> MaterializeResult[None]:
    """The two-tower retrieval model, trained in the order of time.

    It is trained on the rows before the ranking window until recall of the window no longer rises. It continues on the
    rows of the window, and then on the validation days. `ranking_retrieval/` and
    `validation_retrieval/` hold the query tower and the index from before each of these two steps. The ranker trains on
    their candidates, and the evaluation uses the second.
    """
    from rec_assets.datasets.ranking_window import before_window
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.training.loop.checkpoints import WEIGHTS, save_checkpoint
    from rec_assets.training.retrieval.encode import write_retrieval
    from rec_assets.training.retrieval.train import (
        TwoTowerConfig,
        train_on_last_rows,
        train_two_tower,
        validation_metric,
    )

    day = only(context)
    data = TrainingSet.load(training_set[day].path)
    state = TrainingState.of(context, artifacts.store(), settings, training_set[day])

    def write(out: Path, _: str) -> dict[str, Any]:
        seed = seed_for(settings.seed, "two_tower_model", day)
        config = TwoTowerConfig(settings.valid_days, max_epochs=settings.max_epochs)
        earlier = before_window(data, settings.valid_days)
        model, history = train_two_tower(earlier, config, seed, state.report, state.file)
        for part, folder in ((earlier, RANKING_RETRIEVAL), (data, VALIDATION_RETRIEVAL)):
            write_retrieval(model, part, part.last_training_moment, out / folder)
            train_on_last_rows(model, part, config, history.best_epoch, seed)
        save_checkpoint(model, history, out)
        lineage_of(training_set[day]).replace(towers=digest_of_file(out / WEIGHTS), codes=None).write(out)
        metric = validation_metric(data.items)
        curves = {"training loss": history.loss, f"{metric} of the ranking window": history.validation}
        return {
            "rows": len(data.rows["item_id"]),
            "rows_of_ranking_window": len(earlier.last_rows["item_id"]),
            "rows_of_validation_days": len(data.last_rows["item_id"]),
            "epochs": len(history.loss),
            "best_epoch": history.best_epoch,
            "popularity_weight": float(model.popularity_weight.numpy()),
            metric: history.best,
            "curves": line_plot(curves, "epoch", f"Two-tower, as of {day}"),
        }

    result = publish(context, artifacts, write)
    state.forget()
    return result


@asset(**COMMON, op_tags=CPU, kinds={"onnx"})
def query_tower(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    two_tower_model: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """The query tower as one ONNX model with named inputs, for requests."""
    from rec_assets.bundles.export_report import write_difference
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.training.retrieval.encode import export_query_tower
    from rec_assets.training.retrieval.train import TwoTowerConfig, restore_two_tower

    day = only(context)
    data = EvaluationSet.load(training_set[day].path)

    def write(out: Path, _: str) -> dict[str, Any]:
        model = restore_two_tower(data, TwoTowerConfig(settings.valid_days), two_tower_model[day].path)
        lineage_of(two_tower_model[day]).write(out)
        return write_difference(out, export_query_tower(model, data, out / MODEL, saved_model=settings.saved_models))

    return publish(context, artifacts, write)


@asset(**{**COMMON, "code_version": "6"}, op_tags=CPU, kinds={"numpy"})
def item_embeddings(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    two_tower_model: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """The vector of every catalog item from the candidate tower, also for items without interactions."""
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.training_set import LAST, load_part
    from rec_assets.training.retrieval.encode import NOW, item_vectors
    from rec_assets.training.retrieval.train import TwoTowerConfig, restore_two_tower

    day = only(context)
    data = EvaluationSet.load(training_set[day].path)

    def write(out: Path, _: str) -> dict[str, Any]:
        model = restore_two_tower(data, TwoTowerConfig(settings.valid_days), two_tower_model[day].path)
        items = data.items.with_rows(load_part(training_set[day].path, LAST, ["item_id"])["item_id"])
        vectors = item_vectors(model, items, NOW)
        vectors.save(out / ALL_VECTORS)
        lineage_of(two_tower_model[day]).replace(codes=lineage_of(training_set[day]).codes).write(out)
        norms = np.linalg.norm(vectors.vectors, axis=1)
        return {
            "items": len(vectors.raw_ids),
            "items_without_training_rows": int((items.counts[items.catalog] == 0).sum()),
            "norms": histogram(norms.tolist(), "length of the item vector", "Item vectors"),
        }

    return publish(context, artifacts, write)


@asset(**{**COMMON, "code_version": "6"}, op_tags=CPU, kinds={"faiss"})
def faiss_index(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    item_embeddings: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """The inner-product index of the item vectors (exact up to 100,000 items, IVF above), and the items' neighbors."""
    from rec_assets.datasets.evaluation_set import ITEMS
    from rec_assets.datasets.item_table import ItemTable
    from rec_assets.datasets.neighbors.item_neighbors import full_log
    from rec_assets.inference.item_index import recall_against_exact
    from rec_assets.inference.item_vectors import ItemVectors
    from rec_assets.training.retrieval.encode import write_item_index

    day = only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        items = ItemVectors.load(item_embeddings[day] / ALL_VECTORS)
        table = ItemTable.load(training_set[day] / ITEMS)
        index = write_item_index(items, table, full_log(training_set[day].path), out)
        lineage_of(item_embeddings[day]).write(out)
        depth = settings.retrieval_topk
        return {
            "items": index.ntotal,
            "kind": type(index).__name__,
            f"recall_against_exact@{depth}": recall_against_exact(index, items, items.vectors[:500], depth),
        }

    return publish(context, artifacts, write)


@asset(**{**TRAINER, "code_version": "14"}, kinds={"tensorflow", "onnx"})
def dlrm_model(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    two_tower_model: Days,
    training_set: Days,
) -> MaterializeResult[None]:
    """The DLRM ranker, trained on retrieved candidates of all days for as long as validation rose in a first training.

    Training is kept only if it beats the retrieval order. `validation_ranker/` holds the ranker of the first training,
    without the validation days, which the evaluation uses.
    """
    from rec_assets.bundles.export_report import write_difference
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.ranking_window import window_of
    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.datasets.rows import take
    from rec_assets.datasets.training_set import LAST, TRAIN, load_part
    from rec_assets.training.loop.checkpoints import save_checkpoint
    from rec_assets.training.ranking.selection import METRIC
    from rec_assets.training.ranking.train import (
        RankerConfig,
        export_ranker,
        lists_of_rows,
        train_on_all_days,
        train_ranker,
    )

    day = only(context)
    state = TrainingState.of(context, artifacts.store(), settings, two_tower_model[day], training_set[day])

    def write(out: Path, _: str) -> dict[str, Any]:
        seed = seed_for(settings.seed, "dlrm_model", day)
        epochs = min(RankerConfig.max_epochs, settings.max_epochs)
        config = RankerConfig(settings.valid_days, settings.retrieval_topk, max_epochs=epochs)
        data = EvaluationSet.load(training_set[day].path)
        earlier, retrieval = (
            Retrieval(folder / MODEL, folder, data.items, data.log, data.repeats)
            for folder in (two_tower_model[day] / RANKING_RETRIEVAL, two_tower_model[day] / VALIDATION_RETRIEVAL)
        )
        rows = load_part(training_set[day].path, TRAIN)
        window = take(rows, window_of(rows, settings.valid_days))
        lists = [lists_of_rows(data, window, earlier, config, seed)]
        del rows, window
        selected, history = train_ranker(data, retrieval, lists[0], config, seed, state.report, state.file)
        (out / VALIDATION_RANKER).mkdir()
        export_ranker(selected, data, retrieval, out / VALIDATION_RANKER / MODEL)
        release_memory()  # the lists of both parts are the peak
        last_rows = load_part(training_set[day].path, LAST)
        lists.append(lists_of_rows(data, last_rows, retrieval, config, seed))
        state.report(f"{history.best_epoch} epochs of {sum(map(len, lists))} lists of all days")
        model = train_on_all_days(selected, data, lists, config, history.best_epoch, seed)
        save_checkpoint(model, history, out)
        lineage_of(two_tower_model[day]).write(out)
        difference = export_ranker(model, data, retrieval, out / MODEL, saved_model=settings.saved_models)
        return {
            f"retrieval order {METRIC}, mean of both tracks": history.validation[0],
            f"ranked {METRIC}, mean of both tracks": history.best,
            "best_epoch": history.best_epoch,
            "lists_of_ranking_window": len(lists[0]),
            "lists_of_validation_days": len(lists[1]),
            **write_difference(out, difference),
            "curves": line_plot(
                {"training loss": history.loss, f"validation {METRIC}": history.validation[1:]},
                "epoch",
                f"DLRM, as of {day} (retrieval order: {history.validation[0]:.4f})",
            ),
        }

    result = publish(context, artifacts, write)
    state.forget()
    return result
