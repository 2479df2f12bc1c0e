"""Philox4x32-10 (Salmon and others, SC 2011): random words from a seed and a counter, without a state."""

from gyral.compiler.stdlib.logarithm import log_f32
from gyral.compiler.stdlib.trig import cos_turns_f32
from gyral.compiler.words import sqrt
from gyral.core.dtypes import f32, u32, u64

FIRST_FACTOR = 0xD2511F53
SECOND_FACTOR = 0xCD9E8D57
FIRST_STEP = 0x9E3779B9
SECOND_STEP = 0xBB67AE85


def _philox_round(a: u32, b: u32, c: u32, d: u32, k: u32, m: u32) -> tuple[u32, u32, u32, u32]:
    """One round of the bijection on four words under two key words."""
    first = u64(a) * FIRST_FACTOR
    second = u64(c) * SECOND_FACTOR
    return (
        u32(second >> 32) ^ b ^ k,
        u32(second & 0xFFFFFFFF),
        u32(first >> 32) ^ d ^ m,
        u32(first & 0xFFFFFFFF),
    )


def philox(a: u32, b: u32, c: u32, d: u32, k: u32, m: u32) -> tuple[u32, u32, u32, u32]:
    """Ten rounds on the counter words a, b, c, d under the key words k, m."""
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    k = k + FIRST_STEP
    m = m + SECOND_STEP
    a, b, c, d = _philox_round(a, b, c, d, k, m)
    return a, b, c, d


def random_words(seed: u64, counter: u64) -> tuple[u32, u32, u32, u32]:
    """The four words of a draw: the key is the seed, the counter fills the first two words,
    low word first.
    """
    return philox(
        u32(counter & 0xFFFFFFFF),
        u32(counter >> 32),
        u32(0),
        u32(0),
        u32(seed & 0xFFFFFFFF),
        u32(seed >> 32),
    )


def random_u32(seed: u64, counter: u64) -> u32:
    """Word 0 of the draw."""
    a, _b, _c, _d = random_words(seed, counter)
    return a


def random_uniform(seed: u64, counter: u64) -> f32:
    """The upper 24 bits of word 0 as a float in [0, 1)."""
    a, _b, _c, _d = random_words(seed, counter)
    return f32(a >> 8) * 5.9604644775390625e-08


def random_normal(seed: u64, counter: u64) -> f32:
    """A normal deviate by Box and Muller: the radius from word 0 in (0, 1], the angle from word 1 in [0,
    1) turns.
    """
    a, b, _c, _d = random_words(seed, counter)
    radius = sqrt(-2.0 * log_f32(f32((a >> 8) + 1) * 5.9604644775390625e-08))
    return radius * cos_turns_f32(f32(b >> 8) * 5.9604644775390625e-08)
