"""Canary of a candidate bundle: who gets its answers, how they are counted, and when it is stopped."""
