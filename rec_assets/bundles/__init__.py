"""Bundles, the provenance of their parts, gate results and the live record. Does not contain serving code."""
