"""What client and daemon agree on: names, manifests, messages, states, errors and where the socket is.

No module here does I/O beyond reading the environment; each is importable with the base install alone.
"""
