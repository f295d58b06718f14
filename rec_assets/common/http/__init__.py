"""HTTP servers of our own: their start, and the hosts and limits that they accept."""
