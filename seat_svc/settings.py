"""The settings of seat_svc, from variables that begin with `SEAT_`."""

from pydantic import Field

from chassis.settings import ServiceSettings, settings_of


class Settings(ServiceSettings):
    """What every service needs, and a port of its own."""

    model_config = settings_of("seat")

    port: int = Field(default=8004, ge=1, le=65535)
    """The port of the REST interface"""
    idempotency_days: float = Field(default=1, gt=0)
    """How long the answer to an Idempotency-Key is kept"""
