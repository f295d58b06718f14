"""Stages of the lists around items, baskets and histories."""
