"""The artifact store: immutable versions of every asset's files, on disk or in a bucket."""
