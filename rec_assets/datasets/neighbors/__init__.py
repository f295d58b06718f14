"""The neighbors of items, from a linear model of the interactions."""
