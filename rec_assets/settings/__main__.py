"""Prints all settings as a Markdown table."""

from rec_assets.settings import table

print(table())
