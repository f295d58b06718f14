"""Stage that makes the list: the best candidates in order, or a random sample that favors high scores."""

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.filters import FILTERS, filter_texts, parse
from rec_assets.serving.graph.request import AS_CONFIGURED, Ids, column, list_lengths
from rec_assets.serving.graph.tensors import SoftmaxSamplingInputs, SoftmaxSamplingOutputs
from rec_assets.serving.rules.active import ActiveRules
from rec_assets.serving.stages.base import Array
from rec_assets.serving.stages.followed.rules import FollowedRules, GetRules, no_rules
from rec_assets.settings import Settings

# From the reference design (docs/glossary.md): a score that is higher by 0.05 is e times as likely to come first.
TEMPERATURE = 20.0


class Ordering:
    """Returns the first `topk` items of each request by score; in diversity mode, samples without replacement.

    The sample has weights w_i = exp(20 score_i). Item i gets the key E_i / w_i, where E_i is an exponential random
    number. The items with the smallest keys come first. The method is from Efraimidis & Spirakis, "Weighted random
    sampling with a reservoir", 2006.

    The rules of the shop multiply scores before the sample, and their caps and pins change the order. The scores of
    the list stay the ranker's probabilities.
    """

    def __init__(self, topk: int, *, diversity: bool = False, seed: int = 0, rules: GetRules = no_rules) -> None:
        """Creates the stage.

        Args:
            topk: maximum length of a list.
            diversity: True samples the lists of requests without a `diversity` value.
            seed: random seed for sampling.
            rules: returns the active rules of the shop.
        """
        self._topk = topk
        self._diversity = diversity
        self._rng = np.random.default_rng(seed)
        self._rules = rules

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings, rules: GetRules | None = None) -> "Ordering":
        """Reads the settings, and follows the rules of the shop unless they are given."""
        rules = rules or FollowedRules.load(bundle, settings)
        return cls(settings.ranking_topk, diversity=settings.diversity_mode, seed=settings.seed, rules=rules)

    def __call__(self, inputs: SoftmaxSamplingInputs) -> SoftmaxSamplingOutputs:
        """Maps item_id int32 [N], score float32 [N] → both for the ordered lists, and row_splits int64 [B + 1].

        The inputs top_k and diversity, int32 [B], and filters, texts [B], are optional. Equal scores keep their input
        order. With the optional input answer_id, bytes [B], the sample of a list depends only on the id of its answer.
        The outputs inside a process tell how each list was made: see `graph.spec`. Raises RequestError.
        """
        items, scores, rules = inputs["item_id"], inputs["score"], self._rules()
        splits = row_splits.splits_of(inputs, len(items))
        lengths = list_lengths(_requested("top_k", inputs.get("top_k"), len(splits) - 1), self._topk)
        diversity = _requested("diversity", inputs.get("diversity"), len(splits) - 1)
        sampled = np.where(diversity == AS_CONFIGURED, self._diversity, diversity == 1)
        factored = scores if rules is None else rules.factored(scores, items)
        keys = -self._sort_keys(factored, sampled, splits, inputs.get("answer_id"))
        if rules is not None and (rules.caps or rules.pins):
            orders = _ruled_orders(rules, inputs, keys, splits, lengths)
        else:
            ends = zip(splits[:-1].tolist(), splits[1:].tolist(), lengths.tolist(), strict=True)
            orders = [begin + np.argsort(keys[begin:end], kind="stable")[:length] for begin, end, length in ends]
        listed = np.concatenate(orders)
        made: SoftmaxSamplingOutputs = {
            "item_id": items[listed],
            "score": scores[listed],
            "row_splits": row_splits.from_counts(np.array([len(order) for order in orders], np.int64)),
            "length": lengths,
            "is_sampled": sampled,
        }
        if rules is not None:
            made["rules_version"] = np.full(len(lengths), rules.version)
            made["rules_at"] = np.full(len(lengths), rules.at)
            for name, values in rules.attributes.items():
                made[name] = values[items]
        return made

    def _sort_keys(self, scores: Array, sampled: Array, splits: row_splits.Splits, answer_ids: Array | None) -> Array:
        """Returns sort keys [N], highest first: random keys for requests with `sampled` [B], scores for the others."""
        if not sampled.any():
            return scores
        keys = scores.astype(np.float64)
        for request in np.flatnonzero(sampled).tolist():
            rows = slice(splits[request], splits[request + 1])
            # The number of an id is the seed, so that the same id draws the same list.
            rng = self._rng if answer_ids is None else np.random.default_rng(int(answer_ids[request], 16))
            # -log(E / w), because logarithms of weights do not overflow.
            keys[rows] = TEMPERATURE * keys[rows] - np.log(rng.exponential(size=rows.stop - rows.start))
        return keys


def _ruled_orders(
    rules: ActiveRules, inputs: SoftmaxSamplingInputs, keys: Array, splits: row_splits.Splits, lengths: Ids
) -> list[Array]:
    """Returns the positions of each list under caps and pins; keys [N] are ascending sort keys."""
    items, filters = inputs["item_id"], filter_texts(inputs.get(FILTERS), len(lengths))
    orders = []
    for begin, end, length, text in zip(splits[:-1], splits[1:], lengths.tolist(), filters.tolist(), strict=True):
        pins = rules.pins_for(parse(text)) if text else rules.open_pins
        orders.append(begin + rules.order(items[begin:end], -keys[begin:end], length, pins))
    return orders


def _requested(name: str, given: Array | None, requests: int) -> Ids:
    return column(name, given) if given is not None else np.full(requests, AS_CONFIGURED, np.int32)
