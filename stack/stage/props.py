"""Props: what the routes of the stage share."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from chassis.web.bearer import CurrentOperator
from stack.directory import Directory
from stack.stage.crowd import Crowd
from stack.stage.fans import Fans
from stack.stage.judge import Judge
from stack.stage.poison import Poison
from stack.stage.processes import Processes
from stack.stage.services import Services


@dataclass(frozen=True)
class Props:
    """Everything that can be played with."""

    directory: Directory
    services: Services
    fans: Fans
    crowd: Crowd
    processes: Processes
    poison: Poison
    judge: Judge


async def _props(request: Request, operator: CurrentOperator) -> Props:
    props: Props = request.app.state.props
    return props


OperatorsProps = Annotated[Props, Depends(_props)]
"""What is there to play with; only operators get it."""
