"""Triton: the models it loads, its repository, and control of a running server."""
