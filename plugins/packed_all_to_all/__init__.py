"""One collective for all tensors of a call; `plugin` declares it."""
