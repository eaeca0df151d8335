"""Level 3: the real steps, over rows and a broker in memory, against an adversary that decides what happens next."""
