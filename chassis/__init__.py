"""The frame that every service bolts onto. It knows no service.

This is its face for `steps.py`: how to declare steps. What else a service needs comes from the faces of three rooms:
`chassis.store` (rows and transactions), `chassis.run` (jobs and the runtime) and `chassis.web` (the REST interface).
"""

from chassis.choreography.agreement import agree
from chassis.choreography.awaiting import awaited
from chassis.choreography.cadence import ask_again
from chassis.choreography.declaration import By, Service, Unlocked, Via
from chassis.errors import ContradictedError, DeclarationError, NeedsPersonError
from chassis.ids import new_id

__all__ = [
    "By",
    "ContradictedError",
    "DeclarationError",
    "NeedsPersonError",
    "Service",
    "Unlocked",
    "Via",
    "agree",
    "ask_again",
    "awaited",
    "new_id",
]
