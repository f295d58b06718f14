"""The asset graph, one module a stage. Assets orchestrate: they call the domain and report what one would look at."""
