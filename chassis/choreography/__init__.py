"""What is declared, and what follows from it: pure, without broker or database."""
