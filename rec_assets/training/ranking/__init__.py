"""The DLRM ranker and its training on candidate lists."""
