"""The artifact store on disk or in a bucket, file locks, and the connection to Valkey."""
