"""The benchmarks: `tests/bench/run.sh`. What each row times is told in docs/benchmarks.md."""
