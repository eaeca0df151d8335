"""point_svc owns points: charged, spent, refunded."""
