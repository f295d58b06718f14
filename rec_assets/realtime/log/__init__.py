"""The offline log of events, in files or in a bucket."""
