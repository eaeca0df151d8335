"""The process of reservation_svc."""

from datetime import timedelta
from pathlib import Path

from chassis.run import Bound, Job
from chassis.store import Retention
from chassis.web import Definition, run
from reservation_svc.api import router
from reservation_svc.expiry import alarms, expire_due, oldest_requested, under_way
from reservation_svc.models import OVER
from reservation_svc.quota import Quota
from reservation_svc.settings import Settings
from reservation_svc.steps import HoldPolicy, service


def definition(settings: Settings) -> Definition:
    """The service as a whole."""
    over = Retention("reservation", "created_at", timedelta(days=settings.hold_days), OVER)
    answers = Retention("idempotency", "at", timedelta(days=settings.idempotency_days))
    return Definition(
        service,
        settings,
        router,
        migrations=Path(__file__).parent / "migrations",
        dependencies={
            HoldPolicy: HoldPolicy(
                duration=timedelta(seconds=settings.hold_seconds),
                patience=timedelta(seconds=settings.request_seconds),
            ),
            Quota: Quota(settings.max_seats),
        },
        jobs=(Job(timedelta(seconds=settings.expiry_interval_seconds), expire_due),),
        retentions=(answers, over),
        unfinished=oldest_requested,
        alarms=alarms,
        bound=Bound(settings.max_under_way, under_way),
    )


if __name__ == "__main__":
    run(definition, Settings)
