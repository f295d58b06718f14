"""Content vectors: pictures and descriptions, encoded once by content, reduced to 64 dimensions, kept by item id."""

from rec_assets.common.silence import quiet_tensorflow
from rec_assets.features.embeddings.content_vectors import ContentVectors, image_vectors, text_vectors
from rec_assets.features.embeddings.diagnostics import category_nearest_neighbour_accuracy
from rec_assets.features.embeddings.encode_cached import EncodingReport, encode_cached

quiet_tensorflow()  # transformers imports it because it is installed

__all__ = [
    "ContentVectors",
    "EncodingReport",
    "category_nearest_neighbour_accuracy",
    "encode_cached",
    "image_vectors",
    "text_vectors",
]
