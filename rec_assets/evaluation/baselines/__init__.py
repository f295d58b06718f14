"""Simple recommenders that the models are compared with, and their tuning."""
