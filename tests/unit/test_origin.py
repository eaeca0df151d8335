"""Who has said a message: all that it says of itself has to agree."""

from typing import Any, cast

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from chassis.broker.origin import ORIGIN, Origins
from chassis.errors import ForgedMessageError
from tests.unit.lamps import Pressed

OWN = "fans"
TRUE: dict[str, Any] = {
    "exchange": "lamps",
    "routing_key": "lamps.pressed",
    "user_id": "lamps",
    "app_id": "lamps",
    "ce-source": "/lamps",
    "ce-type": "lamps.pressed.v1",
}
SENT_ON = TRUE | {
    "exchange": "fans.redeliver",
    "routing_key": "1s.fans.spin",
    "user_id": OWN,
    "app_id": OWN,
    ORIGIN: "lamps",
}
FREE = {"exchange", "routing_key", "user_id", "app_id"}


def message(**said: Any) -> DeliveredMessage:
    """A delivery of which this is said; the rest is in its headers."""
    headers = {name: value for name, value in said.items() if name not in FREE and value is not None}
    properties = Basic.Properties(headers=headers, user_id=said["user_id"], app_id=said["app_id"])
    return DeliveredMessage(
        delivery=Basic.Deliver("", 1, False, said["exchange"], said["routing_key"]),
        header=ContentHeader(properties=properties),
        body=b"{}",
        channel=cast("Any", None),
    )


def verify(user: str = OWN, **said: Any) -> None:
    """Have a service that is this user at the broker look at a message."""
    Origins(OWN, user).verify([Pressed], message(**said))


def test_first_hand_message_is_believed() -> None:
    """It came over the exchange of who says it, under the name of the event, signed and marked by the same."""
    verify(**TRUE)


def test_message_that_was_sent_on_is_believed_for_its_origin() -> None:
    """The service that sent it on has signed it, and noted for whom."""
    verify(**SENT_ON)


def test_message_that_the_broker_moved_is_believed_for_its_user() -> None:
    """Nobody has sent it on: it was parked for its many deliveries, and put back."""
    verify(**SENT_ON | {"user_id": "lamps", "app_id": "lamps", ORIGIN: None})


def test_message_that_a_former_release_sent_on_is_believed() -> None:
    """It did not note for whom."""
    verify(**SENT_ON | {ORIGIN: None})


@pytest.mark.parametrize(
    "lie",
    [
        {"user_id": "stars"},
        {"user_id": None},
        {"user_id": OWN},
        {"app_id": "stars"},
        {"app_id": None},
        {"ce-source": "/stars"},
        {"ce-source": None},
        {"exchange": "stars"},
        {"routing_key": "lamps.lit"},
        {"exchange": "stars", "user_id": "stars", "app_id": "stars"},
        {"exchange": "fans2.retry", "user_id": OWN, ORIGIN: "lamps"},
        {"user_id": "stars", ORIGIN: "lamps"},
    ],
    ids=str,
)
def test_lie_in_a_first_hand_message_is_seen(lie: dict[str, Any]) -> None:
    """Each part has to agree with the event, whatever the header of our own says."""
    with pytest.raises(ForgedMessageError):
        verify(**TRUE | lie)


@pytest.mark.parametrize(
    "lie",
    [
        {ORIGIN: "stars"},
        {ORIGIN: ""},
        {"user_id": "stars"},
        {"user_id": None},
        {"app_id": "stars"},
        {"ce-source": "/x"},
    ],
    ids=str,
)
def test_lie_in_a_message_that_came_back_is_seen(lie: dict[str, Any]) -> None:
    """What was forged at first stays forged when somebody puts it back."""
    with pytest.raises(ForgedMessageError):
        verify(**SENT_ON | lie)


def test_shared_user_is_compared_with_itself() -> None:
    """Where all services are one user, that one has to have signed; nobody can tell them apart by it."""
    verify("guest", **TRUE | {"user_id": "guest"})
    verify("guest", **SENT_ON | {"user_id": "guest", ORIGIN: "guest"})
    with pytest.raises(ForgedMessageError):
        verify("guest", **TRUE | {"user_id": "lamps"})


@pytest.mark.parametrize("said", [{"ce-type": None}, {"ce-type": "7"}, {"routing_key": "stars.shone"}], ids=str)
def test_what_is_not_heard_is_not_judged(said: dict[str, Any]) -> None:
    """It will not be understood."""
    verify(**TRUE | {"ce-type": "stars.shone.v1"} | said)
    verify(**SENT_ON | {"ce-type": "stars.shone.v1"})


def test_event_that_is_not_heard_is_forged_when_it_comes_as_another() -> None:
    """Its sender has said one thing to the broker, and another to the step."""
    with pytest.raises(ForgedMessageError, match=r"it came as 'lamps\.pressed'"):
        verify(**TRUE | {"ce-type": "stars.shone.v1"})


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        (TRUE, "lamps"),
        (TRUE | {"user_id": None}, ""),
        (TRUE | {ORIGIN: "stars"}, "lamps"),
        (SENT_ON, "lamps"),
        (SENT_ON | {"user_id": "stars"}, "stars"),
        (SENT_ON | {ORIGIN: None}, None),
    ],
)
def test_origin_is_noted_when_a_message_is_sent_on(said: dict[str, Any], origin: str | None) -> None:
    """The header counts only where this service has written it."""
    assert Origins(OWN, OWN).of(message(**said)) == origin
