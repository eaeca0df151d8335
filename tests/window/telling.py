"""What tests of stories share."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.window.sagas import BEGUN
from window.choreography import load
from window.message import Message
from window.story import Story
from window.telling import tell

CHOREOGRAPHY = load()
SOON = BEGUN + timedelta(seconds=3)


def told(messages: Sequence[Message], now: datetime = SOON) -> Story:
    """The story of these messages."""
    return tell(messages, CHOREOGRAPHY, now)


def events(story: Story) -> list[str]:
    """The events in their order."""
    return [one.message.event for one in story.happenings]


def kinds(story: Story) -> list[str]:
    """What is odd."""
    return [one.kind for one in story.oddities]
