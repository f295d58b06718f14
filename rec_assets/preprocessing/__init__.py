"""The NVTabular workflows that turn rows into model inputs, and their export to the lookups serving reads."""

from rec_assets.common.silence import silence_tensorflow

silence_tensorflow()
