"""Alembic's environment for the database of payment_svc."""

from chassis.store.migrations import run
from chassis.web import idempotency
from payment_svc.models import Table

run(Table.metadata, idempotency.metadata)
