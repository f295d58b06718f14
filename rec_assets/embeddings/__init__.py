"""Content vectors: pictures and descriptions, encoded once by content, reduced to 64 dimensions, kept by item id."""

from rec_assets.embeddings.content import ContentVectors, image_vectors, text_vectors
from rec_assets.embeddings.diagnostics import category_nearest_neighbour_accuracy
from rec_assets.embeddings.encoding import EncodingReport, encode_cached
from rec_assets.quiet import quiet_tensorflow

quiet_tensorflow()  # transformers imports it because it is installed

__all__ = [
    "ContentVectors",
    "EncodingReport",
    "category_nearest_neighbour_accuracy",
    "encode_cached",
    "image_vectors",
    "text_vectors",
]
