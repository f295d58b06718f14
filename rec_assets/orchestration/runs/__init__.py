"""Runs of the graph in one process, stale assets, orphaned runs, and the metrics exporter."""
