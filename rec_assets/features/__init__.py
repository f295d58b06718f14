"""Features, one definition each for batch and real time: frames in, frames out. Models and stores live elsewhere."""
