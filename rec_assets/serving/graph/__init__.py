"""The serving graph as data: its stages, its tensors, and the form of a request."""
