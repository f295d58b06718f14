"""State in Valkey that changes between trainings: seen items, recent items, popularity. Defines no features."""
