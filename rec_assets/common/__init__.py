"""Helpers without a domain: errors, seeds, quiet imports, background threads."""
