"""Triton model of the whole graph, see rec_assets/serving/runner.py."""

from rec_assets.serving.triton.graph_model import GraphModel


class TritonPythonModel(GraphModel):
    """The class that Triton loads."""
