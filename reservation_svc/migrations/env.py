"""Alembic's environment for the database of reservation_svc."""

from chassis.store.migrations import run
from chassis.web import idempotency
from reservation_svc.models import Table

run(Table.metadata, idempotency.metadata)
