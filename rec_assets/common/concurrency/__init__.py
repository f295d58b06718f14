"""Threads, endless loops and processes."""
