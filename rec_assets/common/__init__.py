"""Helpers without domain logic: errors, seeds, silenced imports, background threads."""
