"""Generated retail, the default source: a shop whose every probability is known, to hold a model against.

`words` → `catalog` → `people` → `taste` (the truth) → `sessions` (a day drawn from it), `oracle` (its best list),
`pictures` (what its items look like).
"""

from rec_assets.sources.retail.parameters import RetailParameters
from rec_assets.sources.retail.source import RetailSource

__all__ = ["RetailParameters", "RetailSource"]
