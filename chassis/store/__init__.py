"""The service's own database: transactions, rows, inbox and outbox."""

from chassis.store.database import Database
from chassis.store.models import state_field, timestamp_field
from chassis.store.postgres import async_url
from chassis.store.retention import PURGE_INTERVAL, Retention, purging
from chassis.store.transaction import Transaction

__all__ = [
    "PURGE_INTERVAL",
    "Database",
    "Retention",
    "Transaction",
    "async_url",
    "purging",
    "state_field",
    "timestamp_field",
]
