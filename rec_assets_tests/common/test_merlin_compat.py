import json
import os
import subprocess
import sys

import pytest

from rec_assets.common import merlin_compat
from rec_assets.common.errors import ActionableError


def answer(code: str) -> object:
    """Runs code in a new interpreter and returns its JSON output, because shims change a whole process."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def refusal(code: str) -> str:
    own = {name: value for name, value in os.environ.items() if name != merlin_compat.CLASSIC_DASK[0]}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


def test_installing_it_costs_no_heavy_import() -> None:
    code = """
import sys, json
from rec_assets import merlin_compat
merlin_compat.install()
merlin_compat.install()
heavy = ("tensorflow", "torch", "dask", "pandas", "transformers", "merlin")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""
    assert answer(code) == []


@pytest.mark.slow
def test_every_old_name_is_the_object_of_today_and_merlin_gets_keras_2() -> None:
    code = """
import json, sys
from rec_assets import merlin_compat
merlin_compat.install()
import merlin.models.tf as mm, nvtabular, tf_keras, tensorflow as tf
import keras.utils.losses_utils
from keras.utils import tf_inspect
from tensorflow.python import to_dlpack
from tensorflow.python.training.tracking.data_structures import ListWrapper
from dask.dataframe.core import new_dd_object
print(json.dumps({
    "layers": issubclass(mm.Model, tf_keras.Model) and tf.keras.layers.Layer is tf_keras.layers.Layer,
    "keras": keras.utils.losses_utils.__name__,
    "inspect": tf_inspect.__name__,
    "dlpack": to_dlpack is tf.experimental.dlpack.to_dlpack,
    "tracking": ListWrapper.__module__,
    "all": [name for name in merlin_compat.RENAMED if merlin_compat.resolve(name) is None],
    "transformers": "transformers" in sys.modules,
}))
"""
    assert answer(code) == {
        "layers": True,
        "keras": "tf_keras.src.utils.losses_utils",
        "inspect": "tensorflow.python.util.tf_inspect",
        "dlpack": True,
        "tracking": "tensorflow.python.trackable.data_structures",
        "all": [],
        "transformers": False,
    }


@pytest.mark.parametrize(
    ("old", "today"),
    [("tensorflow.python.gone", "tensorflow.gone_too"), ("tensorflow.python.gone", "json:gone_too")],
    ids=["a module", "an attribute"],
)
def test_a_library_that_has_moved_on_is_named(monkeypatch: pytest.MonkeyPatch, old: str, today: str) -> None:
    monkeypatch.setitem(merlin_compat.RENAMED, old, today)
    with pytest.raises(ActionableError, match=f"Merlin needs {old}.*{today}") as raised:
        merlin_compat.resolve(old)
    assert "requirements/lock.txt" in raised.value.next_step


@pytest.mark.parametrize(
    ("earlier", "named"),
    [
        ("import sys, types; sys.modules['keras'] = types.ModuleType('keras')", "keras"),
        ("import dask.dataframe", "dask"),
    ],
)
def test_what_was_imported_too_early_is_named(earlier: str, named: str) -> None:
    message = refusal(f"{earlier}\nfrom rec_assets import merlin_compat\nmerlin_compat.install()")
    assert f"{named}" in message and "was imported before rec_assets.common.merlin_compat" in message
