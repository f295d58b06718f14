"""Assets that measure: evaluations, lists of all users, shown lists and their outcomes."""
