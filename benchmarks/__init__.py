"""One script for each measured claim in README.md and docs/."""
