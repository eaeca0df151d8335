"""reservation_svc owns reservations: requested, held for a while, confirmed."""
