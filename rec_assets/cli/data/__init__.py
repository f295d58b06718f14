"""Commands of data: a shop's files, backfills, people, and the artifact store."""
