"""A demo page that shows lists with their reasons. Uses the same client as any other program."""
