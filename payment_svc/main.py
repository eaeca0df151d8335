"""The process of payment_svc."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from chassis.run import Bound, Job
from chassis.store import Retention
from chassis.web import Definition, run
from payment_svc.api import CheckoutPolicy, router
from payment_svc.clock import chase_due, chase_due_refunds, oldest_pending
from payment_svc.operations import StuckPolicy, alarms, under_way
from payment_svc.platform import Platform
from payment_svc.settings import Settings
from payment_svc.steps import PaymentPolicy, service


def definition(settings: Settings) -> Definition:
    """The service as a whole."""
    stuck = StuckPolicy(timedelta(seconds=settings.stuck_seconds))
    often = timedelta(seconds=settings.chase_interval_seconds)
    return Definition(
        service,
        settings,
        router,
        migrations=Path(__file__).parent / "migrations",
        dependencies={
            CheckoutPolicy: CheckoutPolicy(timedelta(seconds=settings.checkout_seconds)),
            StuckPolicy: stuck,
            PaymentPolicy: PaymentPolicy(settings.max_points),
            Platform: Platform(settings.platform_url, settings.platform_secrets),
        },
        jobs=(Job(often, chase_due), Job(often, chase_due_refunds)),
        retentions=_retentions(settings),
        unfinished=oldest_pending,
        alarms=partial(alarms, policy=stuck),
        bound=Bound(settings.max_under_way, under_way),
    )


def _retentions(settings: Settings) -> tuple[Retention, ...]:
    return (
        Retention("idempotency", "at", timedelta(days=settings.idempotency_days)),
        Retention("checkout", "finished_at", timedelta(days=settings.checkout_days)),
        Retention("delivery", "delivered_at", timedelta(days=settings.checkout_days)),
        Retention("refund", "finished_at", timedelta(days=settings.checkout_days)),
        Retention("notice", "at", timedelta(days=settings.checkout_days)),
    )


if __name__ == "__main__":
    run(definition, Settings)
