"""POST /payments: submit a payment to PayNearMe once, also for retries and concurrent requests."""
