"""Training loop that both models share: batches, checkpoints, early stopping, several GPUs."""
