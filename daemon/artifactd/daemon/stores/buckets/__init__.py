"""What the stores in buckets share: request bodies, buffers, connections, and whole objects in one request."""
