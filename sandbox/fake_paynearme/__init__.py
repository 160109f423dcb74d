"""PayNearMe's side: its API, its books, its callbacks, and the consumer. ``api`` says what is known of it."""
