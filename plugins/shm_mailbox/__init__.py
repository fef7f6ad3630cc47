"""The integers that ranks on one machine agree on before a step, through shared memory; `plugin` declares it."""
