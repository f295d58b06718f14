"""The asset graph, one module per stage. Assets call the code of other folders and report metadata for the UI."""
