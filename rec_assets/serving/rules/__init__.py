"""The rules of a shop: their file, their tables for one bundle, and the order that they give to a list."""
