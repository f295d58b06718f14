"""The error of an invalid request."""


class RequestError(ValueError):
    """An invalid request. Its message reaches the client, so it is short and contains no path."""
