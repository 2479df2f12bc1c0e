"""A batch of European options by the Black–Scholes formula."""

import numpy as np

from gyral.cli.demo import kernels, reference
from gyral.cli.demo.section import Results, Section

OPTIONS = 1_000_000
RATE = 0.02
VOLATILITY = 0.3


def section() -> Section:
    """A million options around the money, from a week to two years."""
    random = np.random.default_rng(2013)
    spot = random.uniform(10, 50, OPTIONS).astype(np.float32)
    strike = (spot * random.uniform(0.6, 1.6, OPTIONS)).astype(np.float32)
    years = random.uniform(0.02, 2, OPTIONS).astype(np.float32)
    call, put = np.empty_like(spot), np.empty_like(spot)

    def ours() -> Results:
        kernels.black_scholes[OPTIONS](spot, strike, years, RATE, VOLATILITY, call, put)
        return {"call": call, "put": put}

    def numpy() -> Results:
        call, put = reference.black_scholes(spot, strike, years, RATE, VOLATILITY)
        return {"call": call, "put": put}

    return Section(
        name="options",
        size=f"{OPTIONS:,}",
        ours=ours,
        numpy=numpy,
        # The reference's distribution is off by up to 7.5e-8, its f32 sums by as much, times prices up to 80.
        tolerances={"call": 1e-4, "put": 1e-4},
    )
