"""The way to RabbitMQ and back: connections, publishing with confirms, retries, parked messages."""

from chassis.broker.unreadable import tolerate

tolerate()
