"""The reference design must return the same lists as ours, so that a comparison of speed is fair."""

import numpy as np
import pytest

from benchmarks.reference.models import CACHED, PER_REQUEST, reference_models
from benchmarks.request_latency import same_lists, shape_of
from benchmarks.traffic import draw_requests, known_users, send
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.model_config import ENSEMBLE
from rec_assets_tests.pipeline import Pipeline


@pytest.mark.slow
def test_the_reference_gives_the_same_lists_and_leaves_nothing_behind(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    models = model_repository.repository_path(settings)
    before = sorted(file.name for file in models.iterdir())
    users = np.append(known_users(settings), [-1, 10**6]).astype(np.int32)
    requests = draw_requests(users, 40, settings, seed=0)
    lists = {}
    with reference_models(settings):
        for model in (ENSEMBLE, PER_REQUEST, CACHED):
            lists[model] = send(settings, model, shape_of(model), requests, 2)[2]
    assert same_lists(lists[ENSEMBLE], lists[PER_REQUEST]) == 1
    assert same_lists(lists[ENSEMBLE], lists[CACHED]) == 1
    assert sorted(file.name for file in models.iterdir()) == before
