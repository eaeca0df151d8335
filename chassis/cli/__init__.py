"""`python -m chassis`: the commands."""
