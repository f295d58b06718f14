"""Triton's adapter of the stage `nvt_context_transform`, see rec_assets/serving/stages/."""

from rec_assets.serving.triton.stage_model import StageModel


class TritonPythonModel(StageModel):
    """The model that Triton looks for."""

    stage = "nvt_context_transform"
