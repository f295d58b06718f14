"""Tables by item id that stages look up: features, vectors, fallback items."""
