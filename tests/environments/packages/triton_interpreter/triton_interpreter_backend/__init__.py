"""Test only: lets code that asks Triton for a CPU backend run its kernels in Triton's interpreter."""
