"""Answers requests from a bundle: stages over arrays, the graph that connects them, and their Triton models.

Does not import TensorFlow or Merlin. A bundle contains only NumPy, ONNX and FAISS files.
"""
