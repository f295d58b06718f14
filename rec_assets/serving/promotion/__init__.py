"""Promotion of a bundle to Triton, on one server or on all replicas, and deletion of old days."""
