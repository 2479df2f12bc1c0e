"""Reductions over the table of flights: a histogram by the hour and a sum."""

import numpy as np

from gyral.cli.demo import kernels, loader, reference
from gyral.cli.demo.section import Results, Section

THREADS = 16 * 256
BAR = 32


def chart(results: Results) -> list[str]:
    """Mean delay of each hour with flights as a bar, and the miles flown."""
    minutes, flights = np.asarray(results["minutes"]), np.asarray(results["flights"])
    hours = np.flatnonzero(flights)
    mean = minutes[hours] / flights[hours]
    longest = max(mean.max(), 1e-9)
    lines = ["Mean delay of departure from New York City in 2013, by scheduled hour:"]
    for hour, delay in zip(hours, mean, strict=True):
        bar = "█" * round(BAR * max(delay, 0) / longest)
        lines.append(f"  {hour:02}:00 {bar:<{BAR}} {delay:5.1f} min")
    return [*lines, f"  {int(results['miles'][0]):,} miles scheduled in all."]


def section() -> Section:
    """Delays by the hour and all miles, by sums over threads, blocks and the whole launch."""
    table = loader.flights()
    minutes, flights = (np.empty(kernels.HOURS, np.int32) for _ in range(2))
    miles = np.empty(1, np.int64)

    def ours() -> Results:
        for result in (minutes, flights, miles):
            result.fill(0)
        kernels.delays[THREADS](table.hour, table.delay, minutes, flights)
        kernels.total[THREADS](table.distance, miles)
        return {"minutes": minutes, "flights": flights, "miles": miles}

    def numpy() -> Results:
        minutes, flights = reference.delays(table.hour, table.delay, kernels.HOURS)
        return {
            "minutes": minutes,
            "flights": flights,
            "miles": np.array([table.distance.sum(dtype=np.int64)]),
        }

    return Section(
        name="flights",
        size=f"{len(table.hour):,} rows",
        ours=ours,
        numpy=numpy,
        # Integers: nothing to round.
        tolerances={"minutes": 0, "flights": 0, "miles": 0},
        facts=chart,
    )
