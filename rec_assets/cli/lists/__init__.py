"""Commands that show lists and record what users do."""
