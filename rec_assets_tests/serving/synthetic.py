"""Makes small bundles with random weights that every stage can load. For tests of serving, Triton and promotion."""

import tempfile
from datetime import date, datetime
from pathlib import Path

import faiss
import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper

from rec_assets.bundles.bundle import LATER_PARTS, PART_FILES, Bundle, ServingConfig, write_bundle
from rec_assets.bundles.provenance import Lineage, codes_of
from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.related.again import AGAIN
from rec_assets.datasets.related.count_again import count_again
from rec_assets.datasets.related.tables import KINDS, RelatedItems
from rec_assets.features.columns import CONTENT_FEATURES, EMBEDDING_DIM, ITEM_CODES
from rec_assets.features.history import PADDING_ID, InteractionLog
from rec_assets.features.signals.item_signals import ITEM_SIGNALS, ItemCategories, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.inference.lookups import FIRST_KNOWN, OUT_OF_VOCABULARY, Lookups
from rec_assets.serving.graph.spec import STAGES, local_name, tensor
from rec_assets.serving.stages import Arrays
from rec_assets.serving.tables.memory_mapped import CONTENT, SIGNALS, write_tables
from rec_assets.training.ranking.factored import write_factored_ranker

AS_OF = date(2025, 3, 14)
CATEGORIES = 4
STYLES = 8


def make_bundle(path: Path, seed: int = 0, items: int = 50, users: int = 20, as_of: date = AS_OF) -> Bundle:
    """Writes and opens a bundle of `items` items (raw ids 10, 13, 16, …) and `users` users (raw ids 1 … users)."""
    rng = np.random.default_rng(seed)
    catalog = make_catalog(items)
    lookups = make_lookups(catalog, users)
    with tempfile.TemporaryDirectory() as folder:
        parts = {name: Path(folder) / name for name in (*PART_FILES, *LATER_PARTS)}
        for part in parts.values():
            part.mkdir()
        catalog.write_parquet(parts["catalogue"] / "items.parquet")
        lookups.save(parts["workflow"] / "lookups.npz")
        _save_tower(parts["query_tower"] / "model.onnx", lookups, rng)
        _save_ranker(parts["dlrm"] / "model.onnx", lookups, rng)
        index = faiss.IndexIDMap2(faiss.IndexFlatIP(EMBEDDING_DIM))
        vectors = rng.normal(size=(items, EMBEDDING_DIM)).astype(np.float32)
        index.add_with_ids(vectors, catalog["item_id"].to_numpy().astype(np.int64))
        faiss.write_index(index, str(parts["item_index"] / "index.faiss"))
        by_code = np.concatenate([np.zeros((FIRST_KNOWN, EMBEDDING_DIM), np.float32), vectors])
        np.save(parts["item_index"] / "vectors.npy", by_code)
        make_neighbors(lookups, rng).save(parts["item_index"])
        content = rng.normal(size=(2, lookups.size("item_id"), EMBEDDING_DIM)).astype(np.float32)
        write_tables(parts["multimodal"] / "embeddings.npy", CONTENT, {"image": content[0], "text": content[1]})
        write_tables(parts["signals"] / "signals.npy", SIGNALS, make_signals(catalog, lookups, rng))
        features = encoded_items(catalog, lookups) | dict(zip(CONTENT_FEATURES, content, strict=True))
        write_factored_ranker(parts["dlrm"] / "model.onnx", features, parts["dlrm"])
        # Another generator, so that the other parts stay as they were.
        drawn = np.random.default_rng(seed + 1)
        RelatedItems({kind: make_neighbors(lookups, drawn) for kind in KINDS}).save(parts["related"])
        (parts["related"] / AGAIN).mkdir()
        count_again(make_log(lookups, drawn), lookups.size("item_id")).save(parts["related"] / AGAIN)
        for part in parts.values():
            lineage(lookups, seed).write(part)
        write_bundle(
            path,
            parts,
            as_of=as_of,
            parent=None,
            metrics={"ndcg@10": 0.5},
            config=ServingConfig(),
            source="retail",
            made_from={"query_tower [2025-03-14]": "ab12"},
        )
    return Bundle.open(path)


def make_log(lookups: Lookups, rng: np.random.Generator, rows: int = 2_000) -> InteractionLog:
    """Returns interactions of a month with repeats, with encoded items."""
    users, items = rng.integers(1, 21, rows), rng.integers(FIRST_KNOWN, lookups.size("item_id"), rows)
    return InteractionLog.of(users, rng.integers(0, 30 * DAY_SECONDS, rows), items)


def lineage(lookups: Lookups, seed: int) -> Lineage:
    """Returns the lineage of the parts of one synthetic bundle."""
    return Lineage(base=AS_OF.isoformat(), workflow=f"workflow{seed}", towers=f"towers{seed}", codes=codes_of(lookups))


def write_features(bundle: Bundle, folder: Path, at: datetime, price: pl.Expr) -> tuple[Path, Path]:
    """Writes features with timestamp `at`: of user 5, and of all items with the given price."""
    moment = pl.lit(at, pl.Datetime("us", "UTC"))
    users = pl.DataFrame({"user_id": [5], "age": [70], "gender": [1], "top_category": [2]}).cast(pl.Int32)
    items = bundle.catalog().drop("title").with_columns(price=price.cast(pl.Float32))
    files = folder / "users.parquet", folder / "items.parquet"
    for frame, file in zip((users, items), files, strict=True):
        frame.with_columns(event_timestamp=moment).write_parquet(file)
    return files


def make_catalog(items: int) -> pl.DataFrame:
    """Returns a catalog with the columns of `Bundle.catalog`."""
    number = np.arange(items, dtype=np.int32)
    return pl.DataFrame(
        {
            "item_id": 10 + 3 * number,
            "title": [f"Item {n}" for n in number],
            "price": (5.0 + number).astype(np.float32),
            "category_l1": number % CATEGORIES,
            "category_l2": number % STYLES,
            "item_gender": number % 3,
        }
    )


def make_lookups(catalog: pl.DataFrame, users: int) -> Lookups:
    """Returns lookups for the catalog and users 1 to `users`."""
    vocabularies = {
        "user_id": np.arange(1, users + 1),
        "gender": np.arange(2),
        "top_category": np.arange(CATEGORIES),
        "age_binned": np.arange(6),
        "device_type": np.arange(3),
    }
    for column in ("item_id", "category_l1", "category_l2", "item_gender"):
        vocabularies[column] = catalog[column].unique().sort().to_numpy()
    return Lookups(
        vocabularies={column: values.astype(np.int64) for column, values in vocabularies.items()},
        age_boundaries=(18.0, 25.0, 35.0, 50.0, 65.0),
        age_mean=38.5,
        age_norm_mean=38.5,
        age_std=12.25,
        price_log_mean=3.0,
        price_log_std=0.5,
    )


def encoded_items(catalog: pl.DataFrame, lookups: Lookups) -> Arrays:
    """Returns `ITEM_CODES` by encoded item id, int32 each."""
    unknown = np.full(FIRST_KNOWN, OUT_OF_VOCABULARY, np.int32)
    return {name: np.append(unknown, lookups.encode(name, catalog[name])) for name in ITEM_CODES}


def make_signals(catalog: pl.DataFrame, lookups: Lookups, rng: np.random.Generator) -> Arrays:
    """Returns the tables of the part `signals`, by encoded item id."""
    unknown = np.zeros(FIRST_KNOWN)
    l1, l2 = (np.append(unknown, lookups.encode(name, catalog[name])) for name in ("category_l1", "category_l2"))
    size = lookups.size("item_id")
    groups, price = ItemCategories(l1.astype(np.int32), l2.astype(np.int32)), rng.normal(size=size)
    facts = ItemFacts.of(groups, np.ones(size), price.astype(np.float32))
    tables = {"group_l1": groups.l1, "group_l2": groups.l2, "share_l1": facts.share_l1, "share_l2": facts.share_l2}
    of_items = {name: rng.exponential(size=size).astype(np.float32) for name in ITEM_SIGNALS}
    return tables | {"price": facts.price} | of_items


def make_neighbors(lookups: Lookups, rng: np.random.Generator) -> Neighbors:
    """Returns 5 random neighbors of each item."""
    size = lookups.size("item_id")
    ids = rng.integers(FIRST_KNOWN, size, (size, 5)).astype(np.int32)
    return Neighbors(ids, rng.random((size, 5)).astype(np.float32))


def _save_tower(file: Path, lookups: Lookups, rng: np.random.Generator) -> None:
    names = _inputs_of("query_tower")
    _save_sum(file, names, EMBEDDING_DIM, "query_embedding", lookups, rng, squash=False)


def _save_ranker(file: Path, lookups: Lookups, rng: np.random.Generator) -> None:
    _save_sum(file, _inputs_of("dlrm_ranking"), 1, "score", lookups, rng, squash=True)


def _inputs_of(stage: str) -> list[str]:
    return [name for spec in STAGES if spec.name == stage for name in spec.reads]


def _save_sum(
    file: Path, reads: list[str], width: int, output: str, lookups: Lookups, rng: np.random.Generator, *, squash: bool
) -> None:
    """Saves a model that sums one random embedding or projection of size `width` per input (per item of a history)."""
    nodes, weights, inputs, terms = [], [], [], []
    for name in map(tensor, reads):
        short, columns = local_name(name.name), name.dims[0] if name.dims else 1
        integer = name.dtype == "INT32"
        rows = lookups.size("item_id" if short == "history_item_id" else short) if integer else columns
        # Small weights for hours, because their values are in the thousands.
        # Small weights of a score, because a saturated sigmoid has equal scores.
        scale = 1e-4 if short == "history_hours" else 0.01 if squash else 0.1
        values = scale * rng.normal(size=(rows, width))
        if short == "history_item_id":
            values[PADDING_ID] = 0
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w_{short}"))
        dtype = TensorProto.INT32 if integer else TensorProto.FLOAT
        inputs.append(helper.make_tensor_value_info(short, dtype, [None, columns]))
        if short == "history_item_id":
            nodes.append(helper.make_node("Gather", [f"w_{short}", short], [f"g_{short}"], axis=0))
            nodes.append(helper.make_node("ReduceSum", [f"g_{short}", "axis"], [f"t_{short}"], keepdims=0))
        elif integer:
            nodes.append(helper.make_node("Squeeze", [short, "axis"], [f"s_{short}"]))
            nodes.append(helper.make_node("Gather", [f"w_{short}", f"s_{short}"], [f"t_{short}"], axis=0))
        else:
            nodes.append(helper.make_node("MatMul", [short, f"w_{short}"], [f"t_{short}"]))
        terms.append(f"t_{short}")
    weights.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    nodes.append(helper.make_node("Sum", terms, ["total" if squash else output]))
    if squash:
        nodes.append(helper.make_node("Sigmoid", ["total"], [output]))
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, width])
    graph = helper.make_graph(nodes, "synthetic", inputs, [result], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
