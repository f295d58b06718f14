"""What the worker keeps for each user and item in Valkey."""
