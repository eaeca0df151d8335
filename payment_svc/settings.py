"""The settings of payment_svc, from variables that begin with `PAYMENT_`."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from chassis.settings import ServiceSettings, settings_of


class Settings(ServiceSettings):
    """Where the external platform is, how long a checkout may take, how much a payment may ask for."""

    model_config = settings_of("payment")

    port: int = Field(default=8003, ge=1, le=65535)
    """The port of the REST interface"""
    platform_url: str
    """The address that deliveries are posted to"""
    platform_secret: SecretStr | None = None
    """The secret of Standard Webhooks; of several, apart by blanks, each signs every delivery"""
    platform_secret_file: Path | None = None
    """A file with the same, read anew for each delivery"""
    checkout_seconds: float = Field(default=60, gt=0)
    """How long after its request a checkout may still move forward"""
    max_points: int = Field(default=1_000_000, ge=1)
    """The largest total of a payment"""
    idempotency_days: float = Field(default=1, gt=0)
    """How long the answer to an Idempotency-Key is kept"""
    checkout_days: float = Field(default=90, gt=0)
    """How long a finished checkout, and a finished refund, can be asked for; and a checkout be given back"""
    chase_interval_seconds: float = Field(default=2, gt=0)
    """How often the service looks for checkouts and refunds that should have ended"""
    stuck_seconds: float = Field(default=120, gt=0)
    """After how long a pending checkout or refund counts as stuck"""
    max_under_way: int = Field(default=500, ge=1)
    """How many checkouts may be under way, in all processes together, before new ones are turned away"""

    def platform_secrets(self) -> list[str]:
        """The secrets that sign a delivery now; raises OSError when they cannot be read."""
        if self.platform_secret_file is not None:
            return self.platform_secret_file.read_text().split()
        return self.platform_secret.get_secret_value().split() if self.platform_secret else []

    @model_validator(mode="after")
    def _signs(self) -> Self:
        if self.platform_secret_file is None and not self.platform_secrets():
            raise ValueError("PAYMENT_PLATFORM_SECRET or PAYMENT_PLATFORM_SECRET_FILE is needed")
        return self
