"""Gates of a bundle, and its comparison with the live bundle on replayed requests."""
