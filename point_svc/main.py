"""The process of point_svc."""

from datetime import timedelta
from pathlib import Path

from chassis.store import Retention
from chassis.web import Definition, run
from point_svc.api import ChargePolicy, router
from point_svc.models import RIGHTS
from point_svc.settings import Settings
from point_svc.steps import service


def definition(settings: Settings) -> Definition:
    """The service as a whole."""
    tombstones = Retention("tombstone", "at", timedelta(days=settings.inbox_days))
    answers = Retention("idempotency", "at", timedelta(days=settings.idempotency_days))
    return Definition(
        service,
        settings,
        router,
        migrations=Path(__file__).parent / "migrations",
        dependencies={ChargePolicy: ChargePolicy(settings.max_balance)},
        retentions=(tombstones, answers),
        rights=RIGHTS,
    )


if __name__ == "__main__":
    run(definition, Settings)
