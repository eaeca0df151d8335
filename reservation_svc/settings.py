"""The settings of reservation_svc, from variables that begin with `RESERVATION_`."""

from pydantic import Field

from chassis.settings import ServiceSettings, settings_of


class Settings(ServiceSettings):
    """How long seats are held, and how often holds are looked through for those whose time is up."""

    model_config = settings_of("reservation")

    port: int = Field(default=8002, ge=1, le=65535)
    """The port of the REST interface"""
    hold_seconds: float = Field(default=600, gt=0)
    """How long seats are held unpaid"""
    request_seconds: float = Field(default=60, gt=0)
    """How long after its request seats may still be held"""
    expiry_interval_seconds: float = Field(default=1, gt=0)
    """How often the service looks for holds whose time is up"""
    max_seats: int = Field(default=20, ge=1)
    """How many seats a user may hold or ask for and has not paid, in all holds together"""
    hold_days: float = Field(default=90, gt=0)
    """How long holds are kept of which nothing is left; what was bought stays"""
    idempotency_days: float = Field(default=1, gt=0)
    """How long the answer to an Idempotency-Key is kept"""
    max_under_way: int = Field(default=500, ge=1)
    """How many holds may be under way, in all processes together, before new ones are turned away"""
