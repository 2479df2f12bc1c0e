"""The kernels of the demo, in the language a user writes.

Each is one thread's work; `kernel[shape](...)` runs one thread per element of the shape. The first axis of an
image is y.
"""

# A bare parameter takes the type of what it is given.
# pyright: reportMissingParameterType=false
# Words of actors, and references that begin empty, are of the language.
# pyright: reportAttributeAccessIssue=false, reportAssignmentType=false

import math

import gyral as gy

HOURS = 24
MAILBOX = 4096


# A photograph


@gy.func
def nearest(image, y, x):
    """The pixel at (y, x), or the one at the border that is nearest to it."""
    height, width = image.shape
    return image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]


@gy.kernel
def luma(photo: gy.Array[gy.f32x3, 2], grey: gy.Array[gy.f32, 2]):
    """Brightness of each pixel (Rec. 709)."""
    y, x = gy.global_ids(2)
    colour = photo[y, x]
    grey[y, x] = 0.2126 * colour.x + 0.7152 * colour.y + 0.0722 * colour.z


@gy.kernel
def blur_rows(image: gy.Array[gy.f32, 2], weights: gy.Array[gy.f32], out: gy.Array[gy.f32, 2]):
    """Weighted mean of the neighbours to the left and right."""
    y, x = gy.global_ids(2)
    radius = len(weights) // 2
    total = 0.0
    for k in range(len(weights)):
        total += weights[k] * nearest(image, y, x + k - radius)
    out[y, x] = total


@gy.kernel
def blur_columns(image: gy.Array[gy.f32, 2], weights: gy.Array[gy.f32], out: gy.Array[gy.f32, 2]):
    """Weighted mean of the neighbours above and below."""
    y, x = gy.global_ids(2)
    radius = len(weights) // 2
    total = 0.0
    for k in range(len(weights)):
        total += weights[k] * nearest(image, y + k - radius, x)
    out[y, x] = total


@gy.kernel
def edges(image: gy.Array[gy.f32, 2], out: gy.Array[gy.f32, 2]):
    """Length of the gradient by Sobel's operator."""
    y, x = gy.global_ids(2)
    across = 0.0
    down = 0.0
    for k in range(-1, 2):
        weight = 2.0 - abs(k)
        across += weight * (nearest(image, y + k, x + 1) - nearest(image, y + k, x - 1))
        down += weight * (nearest(image, y + 1, x + k) - nearest(image, y - 1, x + k))
    out[y, x] = math.sqrt(across * across + down * down)


@gy.func
def contrast(value):
    """An S-shaped tone curve on 0 … 1."""
    t = gy.saturate(value)
    return t * t * (3.0 - 2.0 * t)


@gy.kernel
def develop(
    photo: gy.Array[gy.f32x3, 2],
    grey: gy.Array[gy.f32, 2],
    blurred: gy.Array[gy.f32, 2],
    amount: gy.f32,
    out: gy.Array[gy.f32x3, 2],
):
    """Sharpen by what the blur took away, then raise the contrast."""
    y, x = gy.global_ids(2)
    detail = amount * (grey[y, x] - blurred[y, x])
    colour = photo[y, x]
    out[y, x] = gy.f32x3(
        contrast(colour.x + detail),
        contrast(colour.y + detail),
        contrast(colour.z + detail),
    )


# A fluid (Stam, "Stable Fluids", 1999): move, then take out what flows together


@gy.func
def between(field, y, x):
    """The field at a point between its cells: bilinear, and constant beyond the border."""
    height, width = field.shape
    y = gy.clamp(y, 0.0, gy.f32(height - 1))
    x = gy.clamp(x, 0.0, gy.f32(width - 1))
    top = min(gy.i32(y), height - 2)
    left = min(gy.i32(x), width - 2)
    down = y - gy.f32(top)
    right = x - gy.f32(left)
    above = gy.lerp(field[top, left], field[top, left + 1], right)
    below = gy.lerp(field[top + 1, left], field[top + 1, left + 1], right)
    return gy.lerp(above, below, down)


@gy.kernel
def advect(
    across: gy.Array[gy.f32, 2],
    down: gy.Array[gy.f32, 2],
    field: gy.Array[gy.f32, 2],
    out: gy.Array[gy.f32, 2],
):
    """Each cell takes the value that the flow brings to it in one step."""
    y, x = gy.global_ids(2)
    out[y, x] = between(field, gy.f32(y) - down[y, x], gy.f32(x) - across[y, x])


@gy.kernel
def divergence(across: gy.Array[gy.f32, 2], down: gy.Array[gy.f32, 2], out: gy.Array[gy.f32, 2]):
    """How much more flows out of each cell than into it."""
    y, x = gy.global_ids(2)
    out[y, x] = 0.5 * (
        nearest(across, y, x + 1)
        - nearest(across, y, x - 1)
        + nearest(down, y + 1, x)
        - nearest(down, y - 1, x)
    )


@gy.kernel
def relax(pressure: gy.Array[gy.f32, 2], source: gy.Array[gy.f32, 2], out: gy.Array[gy.f32, 2]):
    """One Jacobi step towards the pressure whose Laplacian is `source`."""
    y, x = gy.global_ids(2)
    around = (
        nearest(pressure, y - 1, x)
        + nearest(pressure, y + 1, x)
        + nearest(pressure, y, x - 1)
        + nearest(pressure, y, x + 1)
    )
    out[y, x] = 0.25 * (around - source[y, x])


@gy.kernel
def project(pressure: gy.Array[gy.f32, 2], across: gy.Array[gy.f32, 2], down: gy.Array[gy.f32, 2]):
    """Let the pressure push, so that as much flows into a cell as out of it."""
    y, x = gy.global_ids(2)
    across[y, x] -= 0.5 * (nearest(pressure, y, x + 1) - nearest(pressure, y, x - 1))
    down[y, x] -= 0.5 * (nearest(pressure, y + 1, x) - nearest(pressure, y - 1, x))


# Option prices


@gy.func
def normal(x):
    """The probability that a standard normal variable is below x."""
    return 0.5 * math.erfc(-0.7071067811865476 * x)


@gy.kernel
def black_scholes(
    spot: gy.Array[gy.f32],
    strike: gy.Array[gy.f32],
    years: gy.Array[gy.f32],
    rate: gy.f32,
    volatility: gy.f32,
    call: gy.Array[gy.f32],
    put: gy.Array[gy.f32],
):
    """Prices of European options."""
    i = gy.global_id()
    spread = volatility * math.sqrt(years[i])
    upper = (math.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / spread
    lower = upper - spread
    discounted = strike[i] * math.exp(-rate * years[i])
    call[i] = spot[i] * normal(upper) - discounted * normal(lower)
    put[i] = discounted * normal(-lower) - spot[i] * normal(-upper)


# A table of flights


@gy.kernel(block=256)
def delays(
    hour: gy.Array[gy.u8], delay: gy.Array[gy.f32], minutes: gy.Array[gy.i32], flights: gy.Array[gy.i32]
):
    """Minutes of delay and number of flights for each hour of the day, cancelled flights (NaN) left out.

    Each thread counts its share of the flights by itself; then each block adds up what its threads have.
    """
    my_minutes = gy.local(HOURS, gy.i32)
    my_flights = gy.local(HOURS, gy.i32)
    for h in range(HOURS):
        my_minutes[h] = 0
        my_flights[h] = 0
    for k in gy.grid_range(len(hour)):
        if not math.isnan(delay[k]):
            my_minutes[gy.i32(hour[k])] += gy.i32(delay[k])
            my_flights[gy.i32(hour[k])] += 1
    for h in range(HOURS):
        block_minutes = gy.block_sum(my_minutes[h])
        block_flights = gy.block_sum(my_flights[h])
        if gy.local_id() == 0:
            gy.atomic_add(minutes, h, block_minutes)
            gy.atomic_add(flights, h, block_flights)


@gy.kernel(block=256)
def total(values: gy.Array[gy.i32], out: gy.Array[gy.i64]):
    """Sum of all values: each thread its share, each block its threads, then one atomic per block."""
    share = gy.i64(0)
    for k in gy.grid_range(len(values)):
        share += values[k]
    block_total = gy.block_sum(share)
    if gy.local_id() == 0:
        gy.atomic_add(out, 0, block_total)


# Actors


@gy.message
class Add:
    """A number to add up."""

    n: gy.i32


@gy.message
class Sum:
    """What was added up."""

    total: gy.i64


@gy.message
class Hop:
    """To be passed on so many times."""

    left: gy.i32


@gy.actor(mailbox=MAILBOX)
class Counter:
    """Adds up."""

    total: gy.i64 = 0

    def add(self, msg: Add) -> Sum:
        self.total += msg.n
        return Sum(self.total)


@gy.actor
class Runner:
    """Passes hops on to its partner, the last one to whom it was told to report."""

    partner: gy.Ref = None
    report: gy.Ref = None

    def start(self, msg: Add):
        self.report = self.sender
        self.partner.tell(Hop(msg.n - 1))

    def hop(self, msg: Hop):
        if msg.left > 0:
            self.sender.tell(Hop(msg.left - 1))
        else:
            self.report.tell(Sum(0))
