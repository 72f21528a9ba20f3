"""Messages to people: the outbox that they wait in."""
