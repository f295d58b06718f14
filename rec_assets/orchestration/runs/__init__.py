"""Runs outside the daemon: the whole graph in one process, stale assets, orphaned runs, the metrics exporter."""
