"""seat_svc owns the catalogue of concerts and who holds which seat."""
