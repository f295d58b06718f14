"""State that changes between two trainings, in Valkey: seen items, recent items and popularity. No features."""
