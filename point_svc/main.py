"""The process of point_svc."""

from pathlib import Path

from chassis.web import Definition, run
from point_svc.api import router
from point_svc.settings import Settings
from point_svc.steps import service


def definition(settings: Settings) -> Definition:
    """The service as a whole."""
    return Definition(service, settings, router, migrations=Path(__file__).parent / "migrations")


if __name__ == "__main__":
    run(definition, Settings)
