"""Where the bytes of artifacts live: one `Store` protocol, and a directory, memory, S3 or GCS behind it.

`factory.open_store` is the way in; nothing else in the daemon names a kind of store. What every store shares lies
here, each kind in a folder of its own; `buckets/` has what S3 and GCS share.
"""
