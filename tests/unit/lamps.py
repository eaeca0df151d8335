"""A small domain for the tests of the chassis, which knows no service: somebody switches lamps."""

from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.choreography.declaration import Service
from contracts.event import Event, Refusal

SAGA_ID = UUID(int=7)


class Switching(Event):
    """What all events of the small domain have in common."""

    saga: ClassVar[str] = "switching"

    room_id: int = 1
    lamp_ids: tuple[int, ...] = (1,)

    @property
    def saga_id(self) -> UUID:
        """Always the same."""
        return SAGA_ID


class Pressed(Switching):
    """Somebody pressed the switch."""


class Lit(Switching):
    """The lamps burn."""


class Broken(Switching, Refusal):
    """A lamp is broken."""


class Dark(Switching, end=True):
    """The lamps are out."""


class Table(SQLModel, registry=registry()):
    """The base of the tables here."""


class Lamp(Table, table=True):
    """A lamp."""

    lamp_id: int = Field(primary_key=True)
    room_id: int
    circuit_id: int = 1


class Circuit(Table, table=True):
    """What some lamps hang on."""

    circuit_id: int = Field(primary_key=True)


class Switch(Table, table=True):
    """What no lamp knows."""

    switch_id: int = Field(primary_key=True)


class Wiring(Table, table=True):
    """Which lamp hangs on which circuit."""

    lamp_id: int = Field(primary_key=True)
    circuit_id: int = Field(primary_key=True)


class Ladder:
    """Something that a service provides."""


def a_service() -> Service:
    """A service without steps."""
    return Service("lamps")
