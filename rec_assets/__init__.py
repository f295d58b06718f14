"""A multistage multimodal recommender for e-commerce, as a Dagster data-asset project."""

from rec_assets.common import merlin_compat

# Installed here, because Feast imports Dask and TensorFlow imports Keras before anything imports Merlin.
merlin_compat.install()
