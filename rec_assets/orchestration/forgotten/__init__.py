"""Deletion of people from the artifacts, and the training without them."""
