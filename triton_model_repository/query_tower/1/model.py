"""Triton model of the stage `query_tower`, see rec_assets/serving/stages/."""

from rec_assets.serving.triton.stage_model import StageModel


class TritonPythonModel(StageModel):
    """The class that Triton loads."""

    stage = "query_tower"
