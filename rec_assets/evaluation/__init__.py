"""Metrics, reports and baselines of ranked lists. Contains neither TensorFlow nor Merlin."""
