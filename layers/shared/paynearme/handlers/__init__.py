"""Decorators that turn a function into a Lambda handler: callbacks, the backend API, schedules and streams."""
