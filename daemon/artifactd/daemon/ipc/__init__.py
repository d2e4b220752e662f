"""The socket: receiving requests, deciding who asks, answering. One handler file per family of requests."""
