"""Two-tower retrieval, the item index, DLRM ranking and their evaluation: the only code that imports TensorFlow."""

from rec_assets.common.silence import silence_tensorflow

silence_tensorflow()
