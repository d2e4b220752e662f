"""Where the bytes of artifacts live: one `Store` protocol, and a directory, memory or S3 behind it.

`factory.open_store` is the way in; nothing else in the daemon names a kind of store.
"""
