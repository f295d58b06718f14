"""Bundles, each part's provenance, their gate results and the record of the live one. Contains no serving code."""
