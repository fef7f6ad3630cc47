"""An implementation of syncfree's hook ``sampler_logprob_gather``: one upload of what was asked for, one Triton kernel."""
