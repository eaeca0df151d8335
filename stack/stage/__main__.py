"""The process of the stage: `python -m stack.stage`, by STAGE_HOST, STAGE_PORT, STAGE_STACK and TOKEN_KEYS."""

from pathlib import Path

import uvicorn
from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

from chassis.settings import read, settings_of
from chassis.web.headers import SafeHeaders
from stack.directory import Directory
from stack.stage.app import create_app


class Settings(BaseSettings):
    """Where the stage listens, whom it believes, and which stack it is of."""

    model_config = settings_of("stage")

    host: str = "127.0.0.1"
    port: int = 8101
    stack: Path
    """The folder of the stack"""
    token_keys: str = Field(validation_alias=AliasChoices("token_keys", "TOKEN_KEYS"), min_length=1)
    """The public keys of the bearer tokens"""


def main() -> None:
    """Serve until SIGTERM."""
    settings = read(Settings)
    app = SafeHeaders(create_app(Directory.of(settings.stack), settings.token_keys))
    uvicorn.run(app, host=settings.host, port=settings.port, access_log=False, server_header=False)


if __name__ == "__main__":
    main()
