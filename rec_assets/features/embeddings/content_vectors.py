"""Computes, saves and looks up content vectors of images or descriptions by item id."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import CONTENT_DIM
from rec_assets.features.embeddings.encode_cached import EncodingReport, Progress, Source, encode_cached
from rec_assets.features.embeddings.encoder import Encoder
from rec_assets.features.embeddings.load_encoder import image_encoder, text_encoder
from rec_assets.features.embeddings.pca import Matrix, Projection, Raw, fit_projection


@dataclass(frozen=True)
class ContentVectors:
    """One vector per item, and the frozen projection from the encoder's raw vectors.

    Attributes:
        item_ids: int32 [n], sorted.
        vectors: float32 [n, 64], zero for items without content.
        present: bool [n], True for items with content.
        projection: projection from the encoder's raw vectors to `vectors`.
        encoder: identity of the encoder.
    """

    item_ids: npt.NDArray[np.int32]
    vectors: Matrix
    present: npt.NDArray[np.bool_]
    projection: Projection
    encoder: str

    def gather(self, item_ids: npt.ArrayLike) -> Matrix:
        """Returns float32 [m, 64] for m raw item ids in any order; an unknown id gives a zero row."""
        ids = np.asarray(item_ids, np.int64)
        if not len(self.item_ids):
            return np.zeros((len(ids), CONTENT_DIM), np.float32)
        positions = np.searchsorted(self.item_ids, ids).clip(max=len(self.item_ids) - 1)
        return np.where((self.item_ids[positions] == ids)[:, None], self.vectors[positions], np.float32(0))

    def project(self, raw: Raw) -> Matrix:
        """Projects raw vectors [m, raw] of new items and the same encoder to float32 [m, 64]; zero rows stay zero."""
        return self.projection(raw)

    def save(self, file: Path) -> None:
        """Writes one npz file."""
        np.savez(
            file,
            item_ids=self.item_ids,
            vectors=self.vectors,
            present=self.present,
            pca_mean=self.projection.mean,
            pca_components=self.projection.components,
            encoder=np.array(self.encoder),
        )

    @classmethod
    def load(cls, file: Path) -> "ContentVectors":
        """Reads a file of `save`; raises ActionableError if the file is damaged or has another format."""
        try:
            with np.load(file) as arrays:
                return cls(
                    arrays["item_ids"],
                    arrays["vectors"],
                    arrays["present"],
                    Projection(arrays["pca_mean"], arrays["pca_components"]),
                    str(arrays["encoder"]),
                )
        except Exception as error:  # zip, pickle, key or value error, depending on the damage
            raise ActionableError(
                f"{file} is not a readable file of content vectors ({error}).",
                "Materialize image_embeddings and text_embeddings again.",
            ) from error


def image_vectors(
    images: Mapping[int, Path | None] | Iterable[tuple[int, Path | None]],
    encoder_name: str,
    cache_dir: Path,
    progress: Progress | None = None,
) -> tuple[ContentVectors, EncodingReport]:
    """Encodes images and reduces their vectors to 64 dimensions.

    Args:
        images: item id and image file; None or a file that does not exist counts as missing.
        encoder_name: "packaged", or a folder or hub id of a CLIP model.
        cache_dir: folder of the vector cache and of a converted model.
        progress: called with the number of processed images.

    Returns:
        The vectors by item id and the counts of encoded, cached, missing and unreadable images.

    Raises:
        ActionableError: an item id is repeated, or the encoder does not exist.
    """
    sources = images.items() if isinstance(images, Mapping) else images
    return _content_vectors(sources, image_encoder(encoder_name, cache_dir), cache_dir, progress)


def text_vectors(
    item_ids: Sequence[int],
    texts: Sequence[str | None],
    encoder_name: str,
    cache_dir: Path,
    progress: Progress | None = None,
) -> tuple[ContentVectors, EncodingReport]:
    """Encodes descriptions and reduces their vectors to 64 dimensions.

    Args:
        item_ids: raw item ids [n].
        texts: descriptions of the items [n]; None or blank text counts as missing.
        encoder_name: "packaged", or a folder or hub id of a Sentence-BERT model.
        cache_dir: folder of the vector cache.
        progress: called with the number of processed descriptions.

    Returns:
        The vectors by item id and the counts of encoded, cached, missing and unreadable descriptions.

    Raises:
        ActionableError: an item id is repeated, the lengths differ, or the encoder does not exist.
    """
    if len(item_ids) != len(texts):
        raise ActionableError(
            f"The lengths differ ({len(item_ids)} item ids and {len(texts)} descriptions).",
            "Pass one description, or None, per item.",
        )
    return _content_vectors(zip(item_ids, texts, strict=True), text_encoder(encoder_name), cache_dir, progress)


def _content_vectors(
    sources: Iterable[tuple[int, Source]], encoder: Encoder, cache_dir: Path, progress: Progress | None
) -> tuple[ContentVectors, EncodingReport]:
    by_id = sorted(sources, key=lambda pair: pair[0])
    item_ids = np.array([item_id for item_id, _ in by_id], np.int32)
    repeated = item_ids[1:][np.diff(item_ids) == 0]
    if len(repeated):
        raise ActionableError(
            f"{len(repeated)} item ids are repeated, for example item {repeated[0]}.",
            "Remove the repeated rows of items.parquet.",
        )
    encoded = encode_cached(encoder, [source for _, source in by_id], cache_dir / "vectors", progress)
    projection, encoded.report.explained_variance = fit_projection(encoded.vectors, encoded.present, CONTENT_DIM)
    vectors = projection(encoded.vectors)
    return ContentVectors(item_ids, vectors, encoded.present, projection, encoder.identity), encoded.report
