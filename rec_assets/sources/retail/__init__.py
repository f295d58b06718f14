"""Generated retail, the default source: a shop with known probabilities, so that models can be compared to an oracle.

`words` → `catalog` → `people` → `taste` (true probabilities) → `sessions` (draws a day) and `oracle` (best lists).
`images` draws the item images from the `drawings` of the styles.
"""

from rec_assets.sources.retail.parameters import RetailParameters
from rec_assets.sources.retail.source import RetailSource

__all__ = ["RetailParameters", "RetailSource"]
