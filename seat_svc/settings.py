"""The settings of seat_svc, from variables that begin with `SEAT_`."""

from pydantic import Field

from chassis.settings import ServiceSettings, settings_of


class Settings(ServiceSettings):
    """How long tickets may be given back, how fast seats are revoked, and a port of its own."""

    model_config = settings_of("seat")

    port: int = Field(default=8004, ge=1, le=65535)
    """The port of the REST interface"""
    refund_notice_hours: float = Field(default=24, ge=0)
    """Until how many hours before an evening begins its buyers may give their tickets back"""
    revokes_per_second: int = Field(default=100, ge=1)
    """How many payments a process tells in a second that they cannot keep their seats"""
    vacancy_days: float = Field(default=90, gt=0)
    """How long it is remembered what was decided about a refund"""
    idempotency_days: float = Field(default=1, gt=0)
    """How long the answer to an Idempotency-Key is kept"""
