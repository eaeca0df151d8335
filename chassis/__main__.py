"""`python -m chassis`: see `chassis.cli.app`."""

from chassis.cli.app import app

if __name__ == "__main__":
    app()
