"""Alembic's environment for the database of point_svc."""

from chassis.store.migrations import run
from chassis.web import idempotency
from point_svc.models import Table

run(Table.metadata, idempotency.metadata)
