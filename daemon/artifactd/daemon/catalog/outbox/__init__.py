"""What changed and is not in the bucket yet, and the records in which it goes there and comes back."""
