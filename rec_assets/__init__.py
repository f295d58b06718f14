"""A multistage multimodal recommender for e-commerce, as a Dagster data-asset project."""

from rec_assets.common import merlin_compat

# Here, since Feast imports Dask, and TensorFlow Keras, before Merlin is asked for.
merlin_compat.install()
