"""Promotion of bundles to Triton, on one server or all replicas, and deletion of old days."""
