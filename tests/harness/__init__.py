"""Real daemons, real clients and a slow store for the end-to-end tests, and one verification for all of them."""
