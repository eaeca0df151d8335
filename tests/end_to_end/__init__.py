"""Level 4: the real stack, through REST."""
