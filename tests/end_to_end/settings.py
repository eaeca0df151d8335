"""The settings of a service that a test runs by itself, on the servers of the stack."""

from collections.abc import Mapping

from pydantic import SecretStr

from payment_svc.settings import Settings
from seat_svc.settings import Settings as SeatSettings


def payment_settings(environment: Mapping[str, str]) -> Settings:
    """Those of payment_svc; the stack tells nobody the secret of its platform, so this one is made up."""
    return Settings(
        port=1,
        database_url=SecretStr(environment["PAYMENT_DATABASE_URL"]),
        rabbitmq_url=SecretStr(environment["PAYMENT_RABBITMQ_URL"]),
        token_keys=environment["TOKEN_KEYS"],
        platform_url=environment["PLATFORM_URL"],
        platform_secret=SecretStr("whsec_" + 32 * "A"),
    )


def seat_settings(environment: Mapping[str, str]) -> SeatSettings:
    """Those of seat_svc."""
    return SeatSettings(
        port=1,
        database_url=SecretStr(environment["SEAT_DATABASE_URL"]),
        rabbitmq_url=SecretStr(environment["SEAT_RABBITMQ_URL"]),
        token_keys=environment["TOKEN_KEYS"],
    )
