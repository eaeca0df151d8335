"""Alembic's environment for the database of seat_svc."""

from chassis.store.migrations import run
from chassis.web import idempotency
from seat_svc.models import Table

run(Table.metadata, idempotency.metadata)
