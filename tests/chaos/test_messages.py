"""Checkouts survive what a broker may do to messages, and what strangers put among them."""

import pytest

from tests.chaos import messages
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_duplicates_have_no_second_effect(drill: Drill) -> None:
    """When every message arrives three times, each has one effect."""
    await drill.run("messages: duplicated", messages.duplicated, spares=PROGRAMS)


async def test_late_messages_in_any_order_are_understood(drill: Drill) -> None:
    """When messages are held back and overtake each other, every checkout ends as it should."""
    await drill.run("messages: delayed, reordered", messages.late_and_out_of_order, spares=PROGRAMS)


async def test_corrupted_messages_are_parked(drill: Drill) -> None:
    """Messages that are cut short or nameless are parked, exactly these, and hold nobody up."""
    await drill.run("messages: corrupted", messages.corrupted, spares=PROGRAMS)


async def test_unknown_versions_are_parked(drill: Drill) -> None:
    """Events of a version that never was are parked, exactly these, and hold nobody up."""
    await drill.run("messages: unknown version", messages.of_unknown_version, spares=PROGRAMS)


async def test_returned_events_are_published_later(drill: Drill) -> None:
    """Events that the broker returns stay in their outbox, and go out when somebody hears them again."""
    await drill.run("a returned publish", messages.returned, spares=PROGRAMS)
