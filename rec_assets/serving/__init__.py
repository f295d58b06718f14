"""Answers requests from a bundle: stages over arrays, the graph that joins them, and their Triton models.

Nothing here imports TensorFlow or Merlin; what a bundle holds is NumPy, ONNX and FAISS.
"""
