"""The process of seat_svc."""

from datetime import timedelta
from pathlib import Path

from chassis.run import Job
from chassis.store import Retention
from chassis.web import Definition, run
from seat_svc.api import router
from seat_svc.models import RIGHTS
from seat_svc.revoking import telling
from seat_svc.settings import Settings
from seat_svc.steps import RefundPolicy, service


def definition(settings: Settings) -> Definition:
    """The service as a whole."""
    return Definition(
        service,
        settings,
        router,
        migrations=Path(__file__).parent / "migrations",
        dependencies={RefundPolicy: RefundPolicy(timedelta(hours=settings.refund_notice_hours))},
        jobs=(Job(timedelta(seconds=1), telling(settings.revokes_per_second)),),
        retentions=(
            Retention("idempotency", "at", timedelta(days=settings.idempotency_days)),
            Retention("vacancy", "at", timedelta(days=settings.vacancy_days)),
        ),
        rights=RIGHTS,
    )


if __name__ == "__main__":
    run(definition, Settings)
