"""Gates of a bundle, and its comparison with the live one on replayed requests."""
