"""The whole system on one machine: the stack, and PayNearMe's side of the conversation."""
