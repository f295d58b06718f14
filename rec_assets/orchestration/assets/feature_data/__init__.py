"""Assets of features: workflows, embeddings, features of users and items, and their online copies."""
