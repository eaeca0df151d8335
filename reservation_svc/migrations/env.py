"""Alembic's environment for the database of reservation_svc."""

from chassis.store.migrations import run
from reservation_svc.models import Table

run(Table.metadata)
