"""Stages of the reference design. They return the same tensors as `rec_assets.serving.stages`, with other libraries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store import online
from rec_assets.features.store.views import ITEM_FEATURES
from rec_assets.serving.graph.spec import STAGES, local_name
from rec_assets.serving.stages.base import Array, Arrays, Stage
from rec_assets.serving.stages.users import UserTransform
from rec_assets.settings import Settings


def makes(stage: str) -> list[str]:
    """Returns the local names of the outputs of a stage in the serving graph."""
    return [local_name(name) for spec in STAGES if spec.name == stage for name in spec.makes]


class FeastItems:
    """Reads the candidates of every request from Feast."""

    def __init__(self, settings: Settings) -> None:
        self._store = online.open_store(settings, online.BULK_TIMEOUT)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Returns the same outputs as `ItemLookup`."""
        items = inputs["item_id"].astype(np.int32)
        return {"item_id": items} | online.read_items(self._store, items).columns


class CachedItems:
    """Reads the whole catalog from Feast once, and keeps arrays indexed by item id until the server restarts."""

    def __init__(self, bundle: Bundle, settings: Settings) -> None:
        items = bundle.lookups.vocabularies["item_id"].astype(np.int32)
        features = online.read_items(online.open_store(settings, online.BULK_TIMEOUT), items).columns
        self._columns = online.OnlineRows.missing(int(items.max()) + 1, ITEM_FEATURES).columns
        for name, values in self._columns.items():
            values[items] = features[name]

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Returns the same outputs as `ItemLookup`."""
        items = inputs["item_id"].astype(np.int32)
        return {"item_id": items} | {name: values[items] for name, values in self._columns.items()}


class Workflow:
    """Transforms the columns of a request with a part of the fitted NVTabular workflow."""

    def __init__(self, workflows: Path, stage: str) -> None:
        from rec_assets.preprocessing.fit import WORKFLOW
        from rec_assets.preprocessing.workflow import load_workflow

        self._workflow = load_workflow(workflows / WORKFLOW, stage.split("_")[1])
        self._columns = self._workflow.input_schema.column_names
        self._makes = makes(stage)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Transforms raw columns [n] to encoded and normalized columns [n]."""
        import pandas as pd

        frame = pd.DataFrame({name: inputs[name] for name in self._columns})
        made = self._workflow.transform(frame)
        return {name: made[name].to_numpy() for name in self._makes if name in made}


class UserWorkflow:
    """The user workflow. Histories, which the reference design lacks, are read with this project's stage."""

    def __init__(self, workflows: Path, bundle: Bundle) -> None:
        self._workflow = Workflow(workflows, "nvt_user_transform")
        self._histories: Stage = UserTransform(bundle.lookups)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Returns the same outputs as `UserTransform`."""
        outputs = self._histories(inputs)
        return self._workflow(inputs) | {name: outputs[name] for name in outputs if name.startswith("history_")}


class TensorFlowModel:
    """A SavedModel with named inputs and one output."""

    def __init__(self, folder: Path, output: str) -> None:
        import tensorflow as tf

        # One thread per process, as for the other stages, because the processes run in parallel.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._tf: Any = tf
        self._loaded = tf.saved_model.load(str(folder))  # keeps the model alive; the signature alone does not
        self._run = self._loaded.signatures["serving_default"]
        self._dtypes = {name: spec.dtype for name, spec in self._run.structured_input_signature[1].items()}
        self._output = output

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Runs the model on features [n] or [n, d]. Returns the output [n] or [n, d]."""
        rows = len(next(iter(inputs.values())))
        given = {name: inputs[name].reshape(rows, -1) for name in self._dtypes}
        made = self._run(**{name: self._tf.constant(values, self._dtypes[name]) for name, values in given.items()})
        values = made[self._output].numpy()
        return {self._output: values[:, 0] if values.shape[1] == 1 else values}
