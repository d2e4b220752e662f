"""What every test may use. Real S3 servers come from `servers.fixtures`, daemons from `harness.fixtures`."""

pytest_plugins = ["servers.fixtures", "harness.fixtures"]
