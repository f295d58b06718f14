"""Answers that are remembered: what is recorded of each, without a request waiting, and how it is made again."""
