"""The Feast feature store: views, offline source and online store."""
