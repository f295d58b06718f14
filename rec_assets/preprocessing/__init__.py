"""NVTabular workflows that encode rows as model inputs, and their export to the lookups that serving reads."""

from rec_assets.common.silence import silence_tensorflow

silence_tensorflow()
