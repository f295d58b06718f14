"""The memory of shown lists: answers with their ids, the stream that carries them, and the log that keeps them."""
