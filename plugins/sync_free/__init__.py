"""Every hook, bitwise equal to upstream and without a host sync: one module each; `plugin` declares them."""
