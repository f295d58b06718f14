"""The asset graph, one module a stage. Assets orchestrate: they call the domain and report what a person would look at."""
