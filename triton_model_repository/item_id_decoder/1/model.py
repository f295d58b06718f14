"""Triton model of the stage `item_id_decoder`, see rec_assets/serving/stages/."""

from rec_assets.serving.triton.stage_model import StageModel


class TritonPythonModel(StageModel):
    """The class that Triton loads."""

    stage = "item_id_decoder"
