"""Publish payment events to EventBridge, or send their stream records to the dead-letter queue."""
