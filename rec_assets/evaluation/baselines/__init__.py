"""Simple recommenders that every model is compared with, and their tuning."""
