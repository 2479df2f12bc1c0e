#include <string.h>

#include "native.h"

uint16_t gy_narrow(double value, int exponent_bits, int fraction_bits)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)((bits >> 63) << 15);
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int top = (1 << exponent_bits) - 1, bias = top >> 1;
    uint16_t infinity = (uint16_t)(top << fraction_bits);

    if (exponent == 0x7ff)
        return sign | infinity | (fraction != 0 ? (uint16_t)(1 << (fraction_bits - 1)) : 0);
    if (exponent == 0)
        return sign; /* a double's subnormals are far below half of any 16-bit one */
    int target = exponent - 1023 + bias;
    uint64_t significand = fraction | (uint64_t)1 << 52;
    int drop = 52 - fraction_bits;
    if (target <= 0) {
        drop += 1 - target;
        target = 0;
        if (drop > 54)
            return sign;
    } else {
        significand &= ((uint64_t)1 << 52) - 1;
    }
    uint64_t kept = significand >> drop, rest = significand & (((uint64_t)1 << drop) - 1);
    uint64_t half = (uint64_t)1 << (drop - 1);
    /* A carry out of the fraction runs into the exponent, which is what rounding up means there. */
    uint64_t rounded = ((uint64_t)target << fraction_bits) + kept + (rest > half || (rest == half && (kept & 1)));
    return sign | (rounded >= infinity ? infinity : (uint16_t)rounded);
}
