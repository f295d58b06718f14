"""Weights and training history on disk: what a fine-tune restores, as plain arrays in a stated order."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf

from rec_assets.common.errors import ActionableError
from rec_assets.training.loop.early_stopping import TrainingHistory

WEIGHTS = "weights.npz"
HISTORY = "history.json"


def save_checkpoint(model: tf.keras.Model, history: TrainingHistory, folder: Path) -> None:
    """Writes weights, in the model's own order, and the history."""
    np.savez(folder / WEIGHTS, *model.get_weights())
    (folder / HISTORY).write_text(json.dumps(asdict(history)))


def restore_checkpoint(model: tf.keras.Model, folder: Path) -> None:
    """Fills a built model; raises ActionableError where the weights are another model's."""
    with np.load(folder / WEIGHTS) as arrays:
        weights = [arrays[name] for name in arrays.files]
    wanted = [tuple(w.shape) for w in model.weights]
    found = [w.shape for w in weights]
    if wanted != found:
        raise ActionableError(
            f"The weights in {folder} belong to another model: shapes {found}, but this one has {wanted}.",
            "Materialize the model again, from the same workflow and catalog.",
        )
    model.set_weights(weights)


def load_history(folder: Path) -> TrainingHistory:
    """Reads the history of a training."""
    return TrainingHistory(**json.loads((folder / HISTORY).read_text()))
