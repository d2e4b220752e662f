"""Other people's servers, which references point to: reading only."""
