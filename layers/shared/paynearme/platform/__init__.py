"""AWS, HTTP and time: clients, the DynamoDB table, deadlines, requests, responses, logs and metrics."""
