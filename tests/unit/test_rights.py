"""What the user of a service may do at the broker follows from its steps."""

import re

import pytest

from chassis.choreography.declaration import Service
from chassis.choreography.rights import TopicPermissions, permissions, topic_permissions
from chassis.ids import new_id
from tests.unit.lamps import Broken, Dark, Lit, Pressed, Switching, a_service


class Hot(Switching, service="ovens"):
    """What another service says."""


def lamps() -> Service:
    """A service that hears one event of its own and one of another's."""
    service = a_service()

    @service.start
    def press() -> Pressed:
        raise NotImplementedError

    @service.step
    def light(pressed: Pressed) -> Lit | Broken:
        raise NotImplementedError

    @service.step
    def rest(event: Hot) -> Dark:
        raise NotImplementedError

    return service


@pytest.mark.parametrize("name", ["lamps", "lamps.light", "lamps.retry", "lamps.retry.5s", "lamps.parked"])
def test_a_service_configures_and_writes_its_own(name: str) -> None:
    """Its exchanges and queues are the service's."""
    allowed = permissions(lamps())
    assert all(re.search(rule, name) for rule in (allowed.configure, allowed.write, allowed.read))


@pytest.mark.parametrize("name", ["fans", "ovens", "fans.turn", "lampshade", "old.lamps", "amq.direct", ""])
def test_a_service_may_not_write_to_what_is_not_its_own(name: str) -> None:
    """A service says only what it is to say."""
    allowed = permissions(lamps())
    assert not re.search(allowed.configure, name)
    assert not re.search(allowed.write, name)


@pytest.mark.parametrize("name", ["lamps.many", "lamps.hoard.1", "lamps.light.1", "lamps.news", "lamps.news.mine.1"])
def test_a_service_makes_no_more_than_it_declares(name: str) -> None:
    """Not even under its own name; only its processes have a queue of news each."""
    assert not re.search(permissions(lamps()).configure, name)
    assert re.search(permissions(lamps()).configure, f"lamps.news.{new_id()}")


def test_a_service_may_ask_others_but_not_delete_the_way_to_them() -> None:
    """The exchange of asks is the broker's own."""
    allowed = permissions(lamps())
    assert re.search(allowed.write, "amq.topic")
    assert not re.search(allowed.configure, "amq.topic")


def test_a_service_reads_the_exchanges_whose_events_it_hears() -> None:
    """It cannot take messages out of the queues of others, nor listen where it has nothing to hear."""
    rule = permissions(lamps()).read
    assert re.search(rule, "ovens")
    assert not any(re.search(rule, name) for name in ("fans", "ovens.bake", "ovens.parked"))


def test_a_service_says_and_hears_its_events_only() -> None:
    """Who may read an exchange could otherwise hear all that goes over it."""
    assert topic_permissions(lamps()) == [
        TopicPermissions(
            "amq.topic",
            write=r"^([^.]+\.resay|lamps\.news|lamps\.pulse)$",
            read=r"^(lamps\.resay|lamps\.news|lamps\.pulse)$",
        ),
        TopicPermissions(
            "lamps", write=r"^(lamps\.broken|lamps\.dark|lamps\.lit|lamps\.pressed)$", read=r"^(lamps\.pressed)$"
        ),
        TopicPermissions("ovens", write="^$", read=r"^(test_rights\.hot)$"),
    ]
