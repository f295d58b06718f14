"""State of users and items in Valkey, which the worker keeps."""
