"""The real Valkey and Triton servers on a laptop: where their binaries are, how they start, and who looks after them.

Production runs the same servers from containers (see `deploy/`); nothing that answers requests imports this folder.
"""
