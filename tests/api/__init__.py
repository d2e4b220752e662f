"""The public contract, call by call, through the public client against a real daemon."""
