"""The system as `docker compose up` runs it: what its containers are built from, and where they are reached."""
