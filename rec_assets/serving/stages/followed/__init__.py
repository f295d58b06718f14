"""Values in Valkey that all serving processes share: each keeps a copy and follows its version every second."""
