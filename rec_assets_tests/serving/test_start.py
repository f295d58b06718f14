"""The processes of Triton's models import only what their stages need, because a restart imports it 16 times."""

import subprocess
import sys

HEAVY = {"feast", "polars", "pandas", "pyarrow", "dask", "boto3", "dagster", "tensorflow", "opentelemetry"}
CODE = f"""
import sys
import rec_assets.serving.triton.graph_model
from importlib import import_module
from rec_assets.serving.stages import _CLASSES
for module, _ in _CLASSES.values():
    import_module(f"rec_assets.serving.stages.{{module}}")
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.settings import Settings
OnlineReader(Settings(), "user_features")
print(sorted({HEAVY} & set(sys.modules)))
"""


def test_a_model_process_imports_no_heavy_library_before_it_loads_a_bundle() -> None:
    assert subprocess.check_output([sys.executable, "-c", CODE], text=True).strip() == "[]"
