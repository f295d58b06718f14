"""The connection to Valkey: clients of one server or of a cluster, names of keys, and a server of our own."""
