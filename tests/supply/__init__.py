"""What comes into the repository from elsewhere, and what must not leave with it."""
