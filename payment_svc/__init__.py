"""payment_svc owns payments, and the checkouts that pay them."""
