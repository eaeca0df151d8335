"""The services of this repository: its folders `*_svc`, and what each says of itself in its `settings.py`.

This is the only list of them. What has to name them all asks here, or is written by `make publish`.
"""

from dataclasses import dataclass
from importlib import import_module

from chassis.choreography.declaration import Service
from chassis.choreography.loading import packages
from stack.directory import ROOT
from stack.errors import StackError

GENEROUS = {
    "user_requests": "1000000",
    "address_requests": "1000000",
    "user_streams": "1000",
    "max_connections": "5000",
    "address_connections": "5000",
    "max_seats": "1000000",
}
"""Limits of the settings where everybody comes from one address, and the same few people buy again and again"""


@dataclass(frozen=True)
class Told:
    """What one service says of itself: its usual port, the names of all its settings, and its steps."""

    name: str
    port: int
    settings: frozenset[str]
    declared: Service

    @property
    def package(self) -> str:
        """The folder of the service, and the name of its process."""
        return f"{self.name}_svc"

    def takes(self, offers: dict[str, str]) -> dict[str, str]:
        """The offers that the service has a setting for, named as it reads them from its environment."""
        prefix = self.name.upper()
        return {f"{prefix}_{name.upper()}": value for name, value in offers.items() if name in self.settings}


def _told(package: str) -> Told:
    settings = import_module(f"{package}.settings").Settings.model_fields
    port = settings["port"].default
    if not isinstance(port, int):
        raise StackError(f"{package} has no usual port: give `port` in {package}/settings.py a default")
    return Told(package.removesuffix("_svc"), port, frozenset(settings), import_module(f"{package}.steps").service)


EACH = tuple(sorted(map(_told, packages(ROOT)), key=lambda told: (told.port, told.name)))
"""Every service, in the order of their usual ports."""

SERVICES = tuple(told.name for told in EACH)
"""The names of the services, in the same order."""

WINDOW = "window"
"""The observer: no service, but with a database and a broker user like them"""
WINDOW_PORT = 8010
PROCESSES = (*SERVICES, WINDOW)
"""Whoever has a database and a broker user of its own"""
