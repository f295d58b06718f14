"""Images of items: files by name, by pattern or by path, downloads, and the cells that name images."""
