"""The process of seat_svc."""

from pathlib import Path

from chassis.web import Definition, run
from seat_svc.api import router
from seat_svc.models import RIGHTS
from seat_svc.settings import Settings
from seat_svc.steps import service


def definition(settings: Settings) -> Definition:
    """The service as a whole."""
    return Definition(service, settings, router, migrations=Path(__file__).parent / "migrations", rights=RIGHTS)


if __name__ == "__main__":
    run(definition, Settings)
