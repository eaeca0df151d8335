"""Level 2: what is declared and published holds together."""
