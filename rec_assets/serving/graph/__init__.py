"""The serving graph as data: its stages, its tensors, and the format of a request."""
