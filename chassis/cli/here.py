"""Here: the services of the folder that a command is run in."""

from pathlib import Path

import typer

from chassis.choreography.graph import Choreography
from chassis.choreography.loading import load
from chassis.errors import ChoreographyError


def here() -> Choreography:
    """The choreography of this folder; ends the command with status 1 and a sentence when it cannot be read."""
    try:
        return load(Path.cwd())
    except ChoreographyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
