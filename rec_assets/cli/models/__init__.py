"""Commands of bundles: promotions, canaries and the shop's rules."""
