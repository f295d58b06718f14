"""Logits of a ranker in training for the candidates of validation users."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.concurrency.threads import windows
from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.ranking_features import all_signals
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.retrieve import Retrieval
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import CONTEXT_FEATURES, TIMESTAMP, USER_FEATURES
from rec_assets.training.ranking.dlrm import Ranker

USERS_PER_BATCH = 64


class CandidateScorer:
    """Scores the same candidates after every epoch. Their signals are computed once, and their item features looked up.

    The model must have its item features (`Ranker.train_on`).
    """

    def __init__(self, model: Ranker, columns: Arrays, candidates: Candidates, retrieval: Retrieval) -> None:
        """Computes the signals of the candidates [q, k].

        Args:
            model: the ranker.
            columns: encoded user and context columns, raw user ids and timestamps of the requests [q].
            candidates: the candidates of the requests.
            retrieval: the retrieval of the candidates, with the log of histories.
        """
        histories, now = histories_of(columns, retrieval.log), columns[TIMESTAMP]
        self._signals = all_signals(candidates, histories, now, retrieval.items, retrieval.neighbors)
        self._item_ids = candidates.item_ids
        self._requests = {name: columns[name] for name in (*USER_FEATURES, *CONTEXT_FEATURES)}

        def score(requests: dict[str, Any], item_ids: Any, signals: Any) -> Any:
            return tf.reshape(model.logits_of_lists(requests, tf.reshape(item_ids, [-1]), signals), tf.shape(item_ids))

        self._score = tf.function(score, reduce_retracing=True)

    def __call__(self) -> npt.NDArray[np.float32]:
        """Returns the logits of the model's current weights, float32 [q, k]."""
        logits = np.empty(self._item_ids.shape, np.float32)
        for window in windows(len(logits), USERS_PER_BATCH):
            requests = {name: tf.constant(column) for name, column in take(self._requests, window).items()}
            batch = tf.constant(self._item_ids[window]), tf.constant(self._signals[window])
            logits[window] = self._score(requests, *batch).numpy()
        return logits
