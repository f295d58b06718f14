"""Tables by item id that stages read: features, vectors, fallback items."""
