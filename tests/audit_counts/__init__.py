"""Host syncs of released schedulers and sampler functions, upstream against ours; see ``python -m tests.audit_counts``."""
