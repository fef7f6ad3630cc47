"""The plugin: what it implements, and what holds for that. Importing this must stay cheap: every process does it."""

from syncfree import implementations

# host_syncs is not declared: the simulated GPU does not see waits in Triton's launcher, and Triton's interpreter makes waits of its own.
PLUGIN = implementations("triton_logprobs", exact=True, preference=-1, needs=("torch", "triton"), hooks=("sampler_logprob_gather",))
