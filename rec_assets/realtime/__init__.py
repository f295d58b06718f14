"""What changes between two trainings, in Valkey: seen items, recent items and popularity. Features live elsewhere."""
