"""Which CUDA devices are here, and what code for them depends on."""


def count() -> int:
    """Number of devices."""
    return 0


def identity() -> str:
    """What stands for the toolchain in cache keys."""
    return "cuda"
