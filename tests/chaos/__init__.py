"""Level 5: the real system while things break. Each script breaks something under load, heals it, and examines all."""
