"""The two towers, their training, and encoding of queries and items with them."""
