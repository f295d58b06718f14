"""One module per concern; each defines one stack."""
