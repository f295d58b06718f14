"""Next steps for requests that pydantic refuses: the field and the values that it accepts."""

import re
from collections.abc import Mapping
from typing import Any

SEE_SCHEMA = "Compare the request with /openapi.json."
# Next steps by pydantic's type of an error, with the field.
_STEPS = {
    "missing": "Add `{field}`; /openapi.json describes it.",
    "extra_forbidden": "Leave out `{field}`; /openapi.json lists all fields.",
    "json_invalid": "Send valid JSON as the body.",
    "price_range": "Exchange both prices of `{field}`, or leave out one.",
    "contradiction": "Leave out one of both parts of `{field}`.",
}
_EXPECTED = re.compile(r"\w+ should (?P<values>(?:be|have) .+?)(?: after validation)?(?:, not .*)?")


def next_step_of(error: Mapping[str, Any]) -> str:
    """Returns the next step for an error of `RequestValidationError.errors()`."""
    field = ".".join(map(str, error["loc"][1:]))  # after body, query or path
    if error["type"] in _STEPS:
        return _STEPS[error["type"]].format(field=field)
    if not field:
        return "Send a JSON object as the body, with the header `Content-Type: application/json`."
    expected = _EXPECTED.fullmatch(error["msg"])
    return f"Correct `{field}`: it must {expected['values']}." if expected else SEE_SCHEMA
