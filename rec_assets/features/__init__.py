"""Feature functions from frames to frames, with one definition for batch and real time. Does not contain models."""
