"""Content vectors of images and descriptions: encoded once per content, reduced to 64 dimensions, saved by item id."""

from rec_assets.common.silence import silence_tensorflow
from rec_assets.features.embeddings.content_vectors import ContentVectors, image_vectors, text_vectors
from rec_assets.features.embeddings.diagnostics import category_nearest_neighbor_accuracy
from rec_assets.features.embeddings.encode_cached import EncodingReport, encode_cached

silence_tensorflow()  # transformers imports it because it is installed

__all__ = [
    "ContentVectors",
    "EncodingReport",
    "category_nearest_neighbor_accuracy",
    "encode_cached",
    "image_vectors",
    "text_vectors",
]
