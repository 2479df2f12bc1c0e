"""The demo's actors: what is shown of the times that were measured."""

import numpy as np

from gyral.cli.demo.resident import HEIGHT, Measured, Residents, as_data, picture


def found() -> Residents:
    """Asks of one to a hundred microseconds."""
    return Residents([Measured("ask", np.arange(1, 101) * 1e-6)], 1e6, True)


def test_a_histogram_is_as_high_as_it_says() -> None:
    """Times are drawn in block characters between a title and the range."""
    lines = picture(found())
    assert (len(lines), lines[0]) == (HEIGHT + 2, "How long an ask takes:")
    assert set("".join(lines[1:-1])) <= set(" ▁▂▃▄▅▆▇█")
    assert lines[-1].split() == ["1.00", "µs", "98.0", "µs"]


def test_programs_get_percentiles() -> None:
    """JSON has seconds for each share of the tries."""
    data = as_data(found())
    assert (data["ok"], data["messages_per_second"]) == (True, 1e6)
    times = Measured("ask", np.arange(1, 101) * 1e-6).percentiles()
    assert data["latency"] == {"ask": times}
    assert times["p50"] == np.median(np.arange(1, 101) * 1e-6)
