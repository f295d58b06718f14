"""Finds the levels of categories among the columns of a table of items."""

from math import log

from rec_assets.sources.shop.guess.names import is_category
from rec_assets.sources.shop.guess.sample import ONE_VALUE, Sample

PER_CATEGORY = 5  # items that a category should have on average
NESTED = 0.95  # mean share of the most common coarse category of a fine one


def category_columns(sample: Sample, item: str, taken: set[str]) -> tuple[str, ...]:
    """Returns up to two columns of categories, coarse before fine.

    A column has a name of categories, and most rows of an item have one value of it. The fine one is the column with
    the most values that leave some items each. Of the columns that it determines, the coarse one has the number of
    values nearest to its root.

    Args:
        sample: rows of the table.
        item: column of item ids.
        taken: columns with another role.
    """
    named = [name for name in sample.columns if name not in taken and is_category(name)]
    fitting = [name for name in named if sample.determined(name, item) >= ONE_VALUE]
    texts = [name for name in fitting if not sample.is_number(name)]
    sizes = {name: sample.distinct(name) for name in texts or fitting}
    most = max(2, sample.distinct(item) // PER_CATEGORY)
    ordered = sorted((name for name in sizes if 1 <= sizes[name] <= most), key=lambda name: -sizes[name])
    if not ordered:  # nothing but very fine ones: still better than none
        return tuple(sorted(sizes, key=lambda name: sizes[name])[:1])
    fine, *others = ordered
    if sample.separator(fine):
        return (fine,)
    coarse = [n for n in others if 1 < sizes[n] < sizes[fine] and sample.determined(n, fine) >= NESTED]
    best = min(coarse, key=lambda name: abs(log(sizes[name]) - log(sizes[fine]) / 2), default=None)
    return (fine,) if best is None else (best, fine)
