//! Benchmarks: see `README.md`. There is nothing here to depend on.
