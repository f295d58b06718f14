"""One script for each measured claim in the README."""
