"""Test only: SGLang calls `register` in every diffusion process."""


def register() -> None:
    """Define the operators of `sgl_kernel` that the CPU platform calls."""
    import sgl_kernel  # noqa: F401  (importing it defines them)
