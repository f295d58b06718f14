"""A multistage multimodal recommender for e-commerce, as a Dagster data-asset project."""
