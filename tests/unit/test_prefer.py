"""How long a client would rather wait."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import pytest
from fastapi import Response

from chassis.web.prefer import answered, wait_seconds


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


@dataclass(frozen=True)
class Order:
    """What somebody has asked for."""

    status: str
    location: str = "/orders/1"


def in_time(outcome: Order | None) -> Callable[[int], Awaitable[Order | None]]:
    """Says what became of an order, to those who wait for it."""

    async def settled(wait: int) -> Order | None:
        assert wait
        return outcome

    return settled


async def test_what_came_in_time_is_the_answer() -> None:
    """The status is 200, the preference is said to be applied, and there is nothing to come back for."""
    # given
    response = Response(status_code=HTTPStatus.ACCEPTED)
    # when
    answer = await answered(response, Order("pending"), 5, in_time(Order("done")))
    # then
    assert answer == Order("done")
    assert response.status_code == HTTPStatus.OK
    assert response.headers["Location"] == "/orders/1"
    assert response.headers["Preference-Applied"] == "wait=5"
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(("wait", "outcome"), [(5, None), (0, Order("done"))])
async def test_what_did_not_come_in_time_changes_nothing(wait: int, outcome: Order | None) -> None:
    """The answer is the one that a client gets who does not wait."""
    # given
    response = Response(status_code=HTTPStatus.ACCEPTED)
    # when
    answer = await answered(response, Order("pending"), wait, in_time(outcome))
    # then
    assert answer == Order("pending")
    assert response.status_code == HTTPStatus.ACCEPTED
    assert (response.headers["Location"], response.headers["Retry-After"]) == ("/orders/1", "1")
    assert "Preference-Applied" not in response.headers
