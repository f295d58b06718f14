"""A shop's own files as a source: any format and any ids, read through a mapping file (`shop.toml`)."""
