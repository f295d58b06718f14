"""Triton model of the stage `multimodal_embedding_lookup`, see rec_assets/serving/stages/."""

from rec_assets.serving.triton.stage_model import StageModel


class TritonPythonModel(StageModel):
    """The class that Triton loads."""

    stage = "multimodal_embedding_lookup"
