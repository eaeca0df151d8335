"""Outcome: the two ways to say that a request was not answered, and what its client may rely on."""

from http import HTTPStatus

from chassis.web.problem import Problem

RETRY_AFTER = {"Retry-After": "1"}

_UNKNOWN = (
    "Nobody knows whether this was done: the database did not answer in time. Send the same request again, with the "
    "same Idempotency-Key if it had one: it is not done twice, and its answer is the truth."
)


def unavailable(detail: str, kind: str | None = None) -> Problem:
    """Nothing was done, and another attempt may succeed."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, kind, headers=RETRY_AFTER)


def unknown(location: str | None = None) -> Problem:
    """It may have been done; the same request again tells, and so does what is found, or not, at `location`."""
    headers = RETRY_AFTER | ({"Location": location} if location else {})
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, _UNKNOWN, "outcome-unknown", headers=headers)
