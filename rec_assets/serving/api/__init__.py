"""The HTTP API for shops: lists, popular items and events as JSON. Does not contain the demo page."""
