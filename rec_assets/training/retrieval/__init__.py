"""The two towers, their training, and the encoding of queries and items."""
