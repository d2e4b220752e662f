"""The store `s3://bucket/prefix`, through aiobotocore and, for whole objects, past it."""
