"""A fake PayNearMe: its API, its OAuth server, its callbacks, and a consumer. ``api`` lists the documented facts."""
