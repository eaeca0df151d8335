"""What hostile clients, neighbours and strangers try, on the running system."""
