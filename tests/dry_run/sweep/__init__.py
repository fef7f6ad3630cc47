"""Every operator of PyTorch's test database in the dry run and on the simulated device, compared by their numbers of waits."""
