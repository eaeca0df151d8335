"""Alembic's environment for the database of the window."""

from chassis.store.migrations import run

run()
