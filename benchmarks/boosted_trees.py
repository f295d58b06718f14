"""Boosted trees on the signals and the lists of the ranker, to compare both. Contains no item features."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from rec_assets.bundles.export_report import MODEL
from rec_assets.common.seeds import seed_for
from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.ranking_features import all_signals
from rec_assets.datasets.ranking_window import window_of
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.retrieve import Retrieval
from rec_assets.datasets.rows import Arrays, take
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.evaluation.evaluate_models import Rank
from rec_assets.features.columns import SIGNALS, TIMESTAMP
from rec_assets.orchestration.assets.models.training import RANKING_RETRIEVAL, VALIDATION_RETRIEVAL
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore

REQUESTS_AT_A_TIME = 512
TREES = {"max_iter": 200, "learning_rate": 0.05, "l2_regularization": 5.0}


def boosted_trees(store: ArtifactStore, day: str, served: Retrieval, settings: Settings) -> Rank:
    """Trains trees to tell which candidates of the ranker's lists are chosen later.

    Args:
        store: the artifact store with the models of the day.
        day: the as-of day.
        served: the retrieval whose candidates the trees order.
        settings: the settings of the home.
    """
    from rec_assets.training.ranking.candidate_lists import draw_lists
    from rec_assets.training.ranking.train import RankerConfig, lists_of_rows

    data = TrainingSet.load(store.get("training_set", day).path)
    config, seed = RankerConfig(settings.valid_days, settings.retrieval_topk), seed_for(settings.seed, "trees", day)
    signals, chosen = [], []
    window = take(data.rows, window_of(data.rows, settings.valid_days))
    for name, part_rows in ((RANKING_RETRIEVAL, window), (VALIDATION_RETRIEVAL, data.last_rows)):
        folder = store.get("two_tower_model", day) / name
        retrieval = Retrieval(folder / MODEL, folder, data.items, data.log, data.repeats)
        lists = lists_of_rows(data, part_rows, retrieval, config, seed)
        for part in (lists.mask, lists.mask & lists.new):
            interacted = lists.interacted & part
            rows, positions, _ = draw_lists(part, interacted, config.positives, config.negatives, seed)
            at = rows[:, None], positions
            signals.append(lists.signals.at(rows, positions)[1][part[at]])
            chosen.append(interacted[at][part[at]])
    trees = HistGradientBoostingClassifier(**TREES, random_state=seed)
    trees.fit(np.concatenate(signals), np.concatenate(chosen))

    def rank(columns: Arrays, candidates: Candidates) -> Candidates:
        scores = np.empty(candidates.item_ids.shape, np.float32)
        histories = histories_of(columns, served.log)
        for start in range(0, len(scores), REQUESTS_AT_A_TIME):
            window = np.arange(start, min(start + REQUESTS_AT_A_TIME, len(scores)))
            part, now = candidates.at(window), columns[TIMESTAMP][window]
            inputs = all_signals(part, histories.at(window), now, served.items, served.neighbors)
            flat = inputs.reshape(-1, len(SIGNALS))
            scores[window] = trees.decision_function(flat).reshape(part.item_ids.shape)
        return candidates.order_by(scores)

    return rank
