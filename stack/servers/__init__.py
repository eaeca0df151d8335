"""The servers that others wrote, PostgreSQL and RabbitMQ: installed, set up, described as programs."""
