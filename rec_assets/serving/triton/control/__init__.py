"""Loads, checks and repairs the models of a running Triton, and reads its counters."""
