"""The services of this repository: its folders `*_svc`, and what each says of itself in its `settings.py`.

This is the only list of them. What has to name them all asks here, or is written by `make publish`.
"""

from dataclasses import dataclass
from importlib import import_module

from chassis.choreography.loading import packages
from stack.directory import ROOT
from stack.errors import StackError


@dataclass(frozen=True)
class Told:
    """What one service says of itself: its usual port, and the names of all its settings."""

    name: str
    port: int
    settings: frozenset[str]

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
    return Told(package.removesuffix("_svc"), port, frozenset(settings))


EACH = tuple(sorted(map(_told, packages(ROOT)), key=lambda told: (told.port, told.name)))
"""Every service, in the order of their usual ports."""

SERVICES = tuple(told.name for told in EACH)
"""The names of the services, in the same order."""
