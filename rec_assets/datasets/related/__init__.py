"""Lists around items and baskets: similar items, bought together, complements and buy again.

Each module has one list: tables of a log, or a list of these tables, and its simple baseline. Does not read stores.
"""
