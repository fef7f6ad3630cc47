"""The benchmarks for a GPU, run to their end without one, by the session ``dry_run_torch`` for 2.11.0."""
