"""Current: the runtime of the service that answers, for its endpoints."""

from typing import Annotated

from fastapi import Depends, Request

from chassis.run.runtime import Runtime
from chassis.web import outcome


async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    if runtime.waits_for is not None:
        raise outcome.unavailable("The service is starting; try again shortly.")
    return runtime


CurrentRuntime = Annotated[Runtime, Depends(_runtime)]
"""The runtime of the service that answers."""
