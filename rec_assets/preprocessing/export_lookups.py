"""Exports the values that NVTabular fitted to the lookups that serving reads. Does not fit a second time."""

import nvtabular as nvt

from rec_assets.inference.lookups import Lookups
from rec_assets.preprocessing.vocabularies import AGE_BOUNDARIES, FitInputs
from rec_assets.preprocessing.workflow import normalizers


def export_lookups(workflow: nvt.Workflow, inputs: FitInputs) -> Lookups:
    """Reads the normalization statistics from the fitted graph, and copies the vocabularies from `inputs`."""
    means: dict[str, float] = {}
    deviations: dict[str, float] = {}
    for operator in normalizers(workflow):
        means |= operator.means
        deviations |= operator.stds
    return Lookups(
        vocabularies=inputs.vocabularies,
        age_boundaries=AGE_BOUNDARIES,
        age_mean=inputs.mean_age,
        age_norm_mean=means["age"],
        age_std=deviations["age"],
        price_log_mean=means["price"],
        price_log_std=deviations["price"],
    )
