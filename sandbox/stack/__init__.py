"""The local stack: the AWS emulator, the deployment, and the servers."""
