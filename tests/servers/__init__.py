"""Real S3 servers for tests, each installed from a package into a virtual environment of its own."""
