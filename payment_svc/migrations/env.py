"""Alembic's environment for the database of payment_svc."""

from chassis import idempotency
from chassis.migrations import run
from payment_svc.models import Table

run(Table.metadata, idempotency.metadata)
