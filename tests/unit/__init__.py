"""Level 1: every step as the plain function that it is, and the pure parts of the chassis."""
