"""Triton model of the stage `nvt_context_transform`, see rec_assets/serving/stages/."""

from rec_assets.serving.triton.stage_model import StageModel


class TritonPythonModel(StageModel):
    """The class that Triton loads."""

    stage = "nvt_context_transform"
