"""Assets that reach the servers: bundles, the promotion, the shop's rules."""
