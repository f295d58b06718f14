"""The NVTabular workflows that turn rows into model inputs, and their export to the lookups serving reads."""

from rec_assets import merlin_compat
from rec_assets.quiet import quiet_tensorflow

quiet_tensorflow()
merlin_compat.install()
