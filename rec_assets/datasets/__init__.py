"""Arrays that models train on and are evaluated with: rows, item table, queries, candidates."""
