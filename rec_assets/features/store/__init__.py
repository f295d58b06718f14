"""Feast: its views, the offline files and the online store."""
