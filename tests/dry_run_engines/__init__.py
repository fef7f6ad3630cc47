"""Real engines, as they are built for CUDA, in the auditor's dry run: waits per step with our hooks and without."""
