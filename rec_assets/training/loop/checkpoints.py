"""Checkpoints: weights as plain arrays in the model's order, and the training history."""

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
    """Writes the weights in the model's order, and the training history."""
    np.savez(folder / WEIGHTS, *model.get_weights())
    (folder / HISTORY).write_text(json.dumps(asdict(history)))


def restore_checkpoint(model: tf.keras.Model, folder: Path) -> None:
    """Restores the weights of a built model; raises ActionableError if their shapes differ from the model's."""
    with np.load(folder / WEIGHTS) as arrays:
        weights = [arrays[name] for name in arrays.files]
    expected = [tuple(w.shape) for w in model.weights]
    shapes = [w.shape for w in weights]
    if expected != shapes:
        raise ActionableError(
            f"The weights in {folder} belong to another model (shapes {shapes}; expected {expected}).",
            "Materialize the model again from the same workflow and catalog.",
        )
    model.set_weights(weights)
