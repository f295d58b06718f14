"""Content vectors by item id: how they are made of pictures or descriptions, their file, and how they are looked up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rec_assets.common.errors import ActionableError
from rec_assets.features.embeddings.encode_cached import EncodingReport, Progress, Source, encode_cached
from rec_assets.features.embeddings.encoder import Encoder
from rec_assets.features.embeddings.load_encoder import image_encoder, text_encoder
from rec_assets.features.embeddings.pca import Matrix, Projection, Raw, fit_projection

CONTENT_DIM = 64


@dataclass(frozen=True)
class ContentVectors:
    """One vector an item, with the frozen projection that made it of the encoder's raw vector.

    Attributes:
        item_ids: int32 [n], sorted.
        vectors: float32 [n, 64], zero where the item has no content.
        present: bool [n].
        projection: from the encoder's raw vectors to these.
        encoder: identity of the encoder.
    """

    item_ids: npt.NDArray[np.int32]
    vectors: Matrix
    present: npt.NDArray[np.bool_]
    projection: Projection
    encoder: str

    def gather(self, item_ids: npt.ArrayLike) -> Matrix:
        """Returns float32 [len, 64] for raw item ids in any order; an unknown id gives a zero row."""
        wanted = np.asarray(item_ids, np.int64)
        if not len(self.item_ids):
            return np.zeros((len(wanted), CONTENT_DIM), np.float32)
        places = np.searchsorted(self.item_ids, wanted).clip(max=len(self.item_ids) - 1)
        return np.where((self.item_ids[places] == wanted)[:, None], self.vectors[places], np.float32(0))

    def project(self, raw: Raw) -> Matrix:
        """Returns float32 [m, 64] for the same encoder's raw vectors [m, raw] of later items; a zero row stays zero."""
        return self.projection(raw)

    def save(self, file: Path) -> None:
        """Writes one npz."""
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
        """Reads what `save` wrote; raises ActionableError where the file is another or damaged."""
        try:
            with np.load(file) as arrays:
                return cls(
                    arrays["item_ids"],
                    arrays["vectors"],
                    arrays["present"],
                    Projection(arrays["pca_mean"], arrays["pca_components"]),
                    str(arrays["encoder"]),
                )
        except Exception as error:  # zip, pickle, key and value errors, by the kind of damage
            raise ActionableError(
                f"{file} cannot be read as content vectors: {error}",
                "Materialize image_embeddings and text_embeddings again.",
            ) from error


def image_vectors(
    pictures: Mapping[int, Path | None] | Iterable[tuple[int, Path | None]],
    encoder_name: str,
    cache_dir: Path,
    progress: Progress | None = None,
) -> tuple[ContentVectors, EncodingReport]:
    """Encodes pictures and reduces them to 64 dimensions.

    Args:
        pictures: item id and file, or None; a file that is not there counts as missing too.
        encoder_name: "packaged", or a folder or hub id of a CLIP model.
        cache_dir: keeps vectors by content, and a converted model.
        progress: called with the number of pictures done.

    Returns:
        The vectors by item id and what became of each picture.

    Raises:
        ActionableError: an item id comes twice, or there is no such encoder.
    """
    sources = pictures.items() if isinstance(pictures, Mapping) else pictures
    return _content_vectors(sources, image_encoder(encoder_name, cache_dir), cache_dir, progress)


def text_vectors(
    item_ids: Sequence[int],
    texts: Sequence[str | None],
    encoder_name: str,
    cache_dir: Path,
    progress: Progress | None = None,
) -> tuple[ContentVectors, EncodingReport]:
    """Encodes descriptions and reduces them to 64 dimensions.

    Args:
        item_ids: raw ids, [n].
        texts: their descriptions, [n]; None and blanks are missing.
        encoder_name: "packaged", or a folder or hub id of a Sentence-BERT model.
        cache_dir: keeps vectors by content.
        progress: called with the number of descriptions done.

    Returns:
        The vectors by item id and what became of each description.

    Raises:
        ActionableError: an item id comes twice, the lengths differ, or there is no such encoder.
    """
    if len(item_ids) != len(texts):
        raise ActionableError(
            f"There are {len(item_ids)} item ids and {len(texts)} descriptions.",
            "Give one description, or None, for each item.",
        )
    return _content_vectors(zip(item_ids, texts, strict=True), text_encoder(encoder_name), cache_dir, progress)


def _content_vectors(
    sources: Iterable[tuple[int, Source]], encoder: Encoder, cache_dir: Path, progress: Progress | None
) -> tuple[ContentVectors, EncodingReport]:
    by_id = sorted(sources, key=lambda pair: pair[0])
    item_ids = np.array([item_id for item_id, _ in by_id], np.int32)
    twice = item_ids[1:][np.diff(item_ids) == 0]
    if len(twice):
        raise ActionableError(
            f"{len(twice)} item ids come more than once, item {twice[0]} for one.",
            "Give each item_id once: remove the repeated rows of items.parquet.",
        )
    encoded = encode_cached(encoder, [source for _, source in by_id], cache_dir / "vectors", progress)
    projection, encoded.report.explained_variance = fit_projection(encoded.vectors, encoded.present, CONTENT_DIM)
    vectors = projection(encoded.vectors)
    return ContentVectors(item_ids, vectors, encoded.present, projection, encoder.identity), encoded.report
