"""The service's own database: transactions, rows, inbox and outbox."""

from chassis.store.database import Database
from chassis.store.models import state_field, timestamp_field
from chassis.store.postgres import engine
from chassis.store.privacy import Personal
from chassis.store.retention import Retention
from chassis.store.transaction import Transaction

__all__ = [
    "Database",
    "Personal",
    "Retention",
    "Transaction",
    "engine",
    "state_field",
    "timestamp_field",
]
