"""Measures what the saga carries beside the one-transaction facade that it replaces: `make bench`."""
