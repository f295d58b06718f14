"""Assets of raw data: the source's days, and the events of the workers."""
