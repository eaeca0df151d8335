"""An archive of its own for a test, over a real PostgreSQL."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, cast
from uuid import uuid4

from yarl import URL

from chassis.choreography.topology import PARKED
from chassis.store import migrations, roles
from chassis.store.roles import Roles
from window.auditing import Auditing
from window.broker_numbers import BrokerNumbers, QueueNumbers
from window.choreography import Choreography, load
from window.database import Pool
from window.gaps import Gaps
from window.looks import Filter, Summary
from window.main import MIGRATIONS, exchanges
from window.message import Message, Place
from window.purging import RIGHTS, Purging, retentions
from window.reading import Arrived, Seen, seen
from window.retelling import Retelling
from window.store_looks import StoreLooks
from window.storing import Storing

KEEP = timedelta(days=7)


@dataclass
class Broker:
    """What a test has the broker say of queues."""

    known: dict[str, QueueNumbers] | None
    bound_to: set[str] | None

    async def queues(self) -> dict[str, QueueNumbers] | None:
        """All queues."""
        return self.known

    async def bound(self) -> set[str] | None:
        """The exchanges that the window's queue is bound to."""
        return self.bound_to


@dataclass
class Archive:
    """The parts of the window that work on the archive."""

    pool: Pool
    choreography: Choreography
    broker: Broker
    storing: Storing
    retelling: Retelling
    gaps: Gaps
    purging: Purging
    looks: StoreLooks

    @classmethod
    def of(cls, pool: Pool) -> Self:
        """Those over a database."""
        choreography = load()
        broker = Broker({"window.events": QueueNumbers(0, 1, 0.0)}, set(exchanges(choreography)))
        asked = cast("BrokerNumbers", broker)
        retelling, gaps, auditing = (
            Retelling(pool, choreography),
            Gaps(pool, asked, exchanges(choreography)),
            Auditing(pool),
        )
        looks = StoreLooks(pool, choreography, asked, retelling, gaps, auditing)
        return cls(pool, choreography, broker, Storing(pool), retelling, gaps, Purging(pool, KEEP), looks)

    async def found(self, limit: int = 50, **wanted: str) -> list[Summary]:
        """The newest sagas that are as wanted."""
        return list(await self.looks.sagas(Filter(**wanted), None, limit))

    async def hear(self, *messages: Message) -> None:
        """Store what the messages would be on their way through the broker, and tell it."""
        await self.storing.store([as_seen(one) for one in messages])
        await self.tell()

    async def tell(self) -> None:
        """Tell all that is new."""
        while await self.retelling.round():
            pass


async def migrated(url: str) -> None:
    """Bring a database up to date, with everything for one role."""
    await migrations.upgrade(url, Path(MIGRATIONS))
    await roles.grant(url, Roles(URL(url).user or "", retentions(KEEP), RIGHTS))


def as_arrived(message: Message, message_id: str = "") -> Arrived:
    """A message as the broker would hand it out."""
    event = {"ce-id": str(message.event_id), "ce-correlationid": str(message.saga_id)}
    headers: dict[str, Any] = event | {
        "ce-source": f"/{message.service}",
        "ce-type": f"{message.event}.v{message.version}",
        "ce-time": message.occurred_at.isoformat(),
        **({"ce-causationid": str(message.cause)} if message.cause else {}),
        **({"x-attempt": message.attempt} if message.attempt else {}),
        **({"x-last-error": message.error} if message.error else {}),
    }
    owner = (message.step or message.service).partition(".")[0]
    ways = {
        Place.SAID: (message.service, message.event),
        Place.RESTING: (f"{owner}.retry", f"{message.delay}.{message.step}"),
        Place.PARKED: (f"{owner}.retry", f"{PARKED}.{message.step}"),
        Place.BACK: (f"{owner}.redeliver", f"{message.delay or PARKED}.{message.step}"),
    }
    return Arrived(*ways[message.place], headers, message.body.encode(), message_id or str(uuid4()), owner)


def as_seen(message: Message) -> Seen:
    """A message as it is stored, seen when it says."""
    return seen(as_arrived(message), message.seen_at)
