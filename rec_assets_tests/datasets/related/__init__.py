"""Tests of the lists around items and baskets."""
