"""The settings of point_svc, from variables that begin with `POINT_`."""

from pydantic import Field

from chassis.settings import ServiceSettings, settings_of


class Settings(ServiceSettings):
    """What every service needs, and a port of its own."""

    model_config = settings_of("point")

    port: int = Field(default=8001, ge=1, le=65535)
    """The port of the REST interface"""
    max_balance: int = Field(default=1_000_000_000_000, ge=1)
    """The points that a wallet can be charged up to"""
    idempotency_days: float = Field(default=1, gt=0)
    """How long the answer to an Idempotency-Key is kept"""
