"""No code loads anything executable: pickles, joblib files, NumPy objects, or weights by `torch.load` with pickles."""

import re
from pathlib import Path

import pytest

LOADERS = re.compile(
    r"\b(?:cloud|d)?pickle\.|import (?:cloud)?pickle|joblib|allow_pickle=True|torch\.load|Workflow\.load\("
)
# The weights are in an installed package, and `weights_only` reads tensors alone.
ALLOWED = {"rec_assets/features/embeddings/efficientnet.py": ["torch.load"]}
ROOT = Path(__file__).parents[1]
FILES = sorted(
    file for folder in ("rec_assets", "benchmarks", "tools", "feature_repo") for file in (ROOT / folder).rglob("*")
)


def loaders_in(text: str) -> list[str]:
    return LOADERS.findall(text)


@pytest.mark.parametrize(
    "line",
    ["import pickle", "joblib.load(f)", "np.load(f, allow_pickle=True)", "torch.load(f)", "nvt.Workflow.load(f)"],
)
def test_the_search_finds_a_loader(line: str) -> None:
    assert loaders_in(line)


def test_no_code_loads_pickles() -> None:
    sources = [file for file in FILES if file.is_file() and file.suffix in ("", ".py")]
    assert len(sources) > 200
    found = {file.relative_to(ROOT).as_posix(): loaders_in(file.read_text(errors="replace")) for file in sources}
    assert {name: loaders for name, loaders in found.items() if loaders} == ALLOWED
    encoder = (ROOT / next(iter(ALLOWED))).read_text()
    assert encoder.count("weights_only=True") == encoder.count("torch.load")
