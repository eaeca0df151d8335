"""`python -m window`: serves, migrates or audits."""

import sys

from window import main

COMMANDS = {"serve": main.serve, "migrate": main.migrate, "audit": main.audit}


def run(arguments: list[str]) -> None:
    """Run the command that is named; without one, serve."""
    name = arguments[0] if arguments else "serve"
    if name not in COMMANDS or len(arguments) > 1:
        sys.exit(f"python -m window {' | '.join(COMMANDS)}")
    COMMANDS[name]()


if __name__ == "__main__":
    run(sys.argv[1:])
