"""The benchmarks for a GPU, run to their end without one, by the session ``gpu_rehearsal_torch``."""
