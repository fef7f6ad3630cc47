"""Tests of the auditor's dry run, in an environment with the build of torch for CUDA and without a GPU."""
