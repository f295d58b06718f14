"""Metrics, evaluation reports and baselines of ranked lists. Does not import TensorFlow or Merlin."""
