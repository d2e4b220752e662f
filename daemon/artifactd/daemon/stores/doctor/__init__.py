"""`artifactd doctor`: what a store can do, tried, and what follows from it."""
