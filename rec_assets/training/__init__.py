"""Training and export of the two towers and the DLRM ranker: the only code that imports TensorFlow."""

from rec_assets.common.silence import silence_tensorflow

silence_tensorflow()
