"""Scripts that measure the claims in README.md and docs/, one script per claim."""
