"""How conservation judges sagas of which something was changed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tests.window.sagas import BEGUN
from tests.window.telling import CHOREOGRAPHY, told
from window.conservation import Facts, facts_of, judge
from window.looks import Finding
from window.message import Message

LATER = BEGUN + timedelta(hours=1)


def facts(messages: Sequence[Message]) -> Facts:
    """What one saga has moved."""
    return facts_of(told(messages), CHOREOGRAPHY)


def judged(*sagas: Sequence[Message], now: datetime = LATER) -> dict[str, Finding]:
    """The findings, by their rules."""
    return {one.rule: one for one in judge(map(facts, sagas), now)}


def broken(findings: dict[str, Finding]) -> list[str]:
    """The rules that do not hold."""
    return [rule for rule, finding in findings.items() if not finding.holds]


def reworded(messages: Iterable[Message], event: str, old: str, new: str) -> list[Message]:
    """The messages with another body of one event."""
    return [replace(one, body=one.body.replace(old, new)) if one.event == event else one for one in messages]


def without(messages: Iterable[Message], *events: str) -> list[Message]:
    """The messages but for these events; what they caused has their cause."""
    gone = {one.event_id: one.cause for one in messages if one.event in events}
    return [replace(one, cause=_before(one.cause, gone)) for one in messages if one.event_id not in gone]


def _before(cause: UUID | None, gone: dict[UUID, UUID | None]) -> UUID | None:
    while cause in gone:
        cause = gone[cause]
    return cause
