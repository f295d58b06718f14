"""Triton: its models, its model repository, and control of a running server."""
