"""The difference between an exported model and its original, measured at export and stored beside the file."""

import json
from pathlib import Path

FILE = "export.json"
MODEL, SAVED_MODEL = "model.onnx", "model.savedmodel"  # the exports of one model
LARGEST_DIFFERENCE = "largest_difference_from_tensorflow"


def write_difference(folder: Path, difference: float) -> dict[str, float]:
    """Stores the largest difference of any output, and returns it as metadata."""
    measured = {LARGEST_DIFFERENCE: difference}
    (folder / FILE).write_text(json.dumps(measured))
    return measured


def read_difference(folder: Path) -> float:
    """Reads a file written by `write_difference`."""
    return float(json.loads((folder / FILE).read_text())[LARGEST_DIFFERENCE])
