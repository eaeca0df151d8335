"""How long a client would rather wait."""

from http import HTTPStatus

import pytest
from fastapi import Response

from chassis.web.prefer import applied, wait_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("WAIT=5", 5),
        ("wait = 5", 5),
        ('wait="5"', 5),
        ("respond-async, wait=5", 5),
        ("wait=5, respond-async", 5),
        ("respond-async; x=1; wait=5", 5),
        ("wait=0", 0),
        ("wait=30", 30),
        ("wait=31", 30),
        ("wait=999999", 30),
    ],
)
def test_a_wait_is_understood_wherever_it_stands(header: str, seconds: int) -> None:
    """Other preferences beside it do not matter, and nobody waits longer than half a minute."""
    assert wait_seconds(header) == seconds


@pytest.mark.parametrize(
    "header", [None, "", "respond-async", "wait", "wait=", "wait=-5", "wait=5s", "await=5", "wait=1.5", "wait=1e3"]
)
def test_anything_else_is_no_wait(header: str | None) -> None:
    """A preference that is not understood is ignored, as RFC 7240 says."""
    assert wait_seconds(header) == 0


def test_what_came_in_time_is_the_answer() -> None:
    """The status is 200, the preference is said to be applied, and there is nothing to come back for."""
    # given
    response = Response(status_code=HTTPStatus.ACCEPTED, headers={"Retry-After": "1"})
    # when
    answer = applied(response, 5, "done")
    # then
    assert answer == "done"
    assert response.status_code == HTTPStatus.OK
    assert response.headers["Preference-Applied"] == "wait=5"
    assert "Retry-After" not in response.headers


def test_what_did_not_come_in_time_changes_nothing() -> None:
    """The answer is the one that a client gets who does not wait."""
    # given
    response = Response(status_code=HTTPStatus.ACCEPTED, headers={"Retry-After": "1"})
    # when
    answer = applied(response, 5, None)
    # then
    assert answer is None
    assert response.status_code == HTTPStatus.ACCEPTED
    assert response.headers["Retry-After"] == "1"
    assert "Preference-Applied" not in response.headers
