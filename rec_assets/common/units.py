"""Units of time in seconds."""

HOUR_SECONDS = 60 * 60
DAY_SECONDS = 24 * HOUR_SECONDS
