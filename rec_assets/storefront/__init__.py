"""A demo page that shows lists with their reasons. Uses the HTTP API, as the page of any shop."""
