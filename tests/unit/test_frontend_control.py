"""Control flow means in kernels what it means in Python: each function runs in both."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.frontend_programs import launch

import gyral as gy

ARGUMENTS = range(-6, 24)


def early(n):
    if n < 0:
        return -1
    if n > 10:
        return 1
    return n * 2


def chained(n):
    if n < 0:
        r = 1
    elif n < 5:
        r = 2
    elif n == 7:
        r = 3
    else:
        r = 4
    return r


def nested_returns(n):
    if n > 0:
        if n > 5:
            if n > 9:
                return 9
            n += 100
        else:
            n -= 100
        if n % 2 == 0:
            return n
        n += 1
    return n


def collatz(n):
    steps = 0
    while n > 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def leading_break(n):
    k = 0
    while k < 100:
        if k * k > n:
            break
        k += 1
    return k


def middle_break(n):
    total = 0
    k = 0
    while True:
        k += 1
        if k > n:
            break
        total += k
    return total * 100 + k


def several_exits(n):
    k = 0
    r = 0
    while True:
        k += 2
        if k > 40:
            break
        if k % 3 == 0:
            continue
        if k > n:
            r = k
            break
        r += 1
        if r > 7:
            return -r
    return r * 1000 + k


def exit_with_work(n):
    k = 0
    while True:
        if k > n:
            k = k * 10
            break
        k += 3
    return k


def return_from_endless(n):
    k = 0
    while True:
        k += 1
        if k * k > n:
            return k


def for_break(n):
    found = -1
    for k in range(20):
        if k * 3 > n:
            found = k
            break
    return found


def for_leading_break(n):
    total = 0
    for k in range(20):
        if k > n:
            break
        total += k
    return total


def variable_after_break(n):
    k = 99
    for k in range(10):
        if k == n:
            break
    return k


def variable_after_loop(n):
    k = 77
    for k in range(n):  # noqa: B007
        pass
    return k


def steps(n):
    total = 0
    for k in range(n, 20, 3):
        total = total * 3 + k
    for k in range(20, n, -4):
        total = total * 3 + k
    return total % 10007


def run_time_step(n):
    total = 0
    step = n - 3
    if step != 0:
        for k in range(2, 15, step):
            total += k
            if total > 60:
                break
    return total


def for_return(n):
    for k in range(10):
        for j in range(5):
            if k * j == n:
                return k * 100 + j
    return -1


def nested_break_continue(n):
    total = 0
    for k in range(8):
        if k == 2:
            continue
        for j in range(k):
            if j == n:
                break
            if j % 2:
                continue
            total += j + 1
        else_value = k
        if total > 50:
            break
        total += else_value
    return total


def changed_bound(n):
    total = 0
    for k in range(n):
        n = n - 1
        total += k + n
    return total * 100 + n


def target_assigned(n):
    total = 0
    for k in range(n):
        k = k * 2
        total += k
    return total


def partial_continue(n):
    total = 0
    for k in range(12):
        if k > 3:
            if k % n == 1 if n > 0 else False:
                continue
            total += 1
        total += 10
    return total


def chain_comparison(n):
    a = 1 if 0 < n < 10 else 0
    b = 1 if 5 > n >= -2 != n else 0
    return a * 10 + b


def short_circuits(n):
    r = 0
    if n != 0 and 12 // n > 2:
        r += 1
    if n == 0 or 12 % n == 0:
        r += 10
    if not (n > 3 and n < 8):
        r += 100
    return r


def values_of_and_or(n):
    return (n and 5) * 100 + (n or 7)


def matched(n):
    match n:
        case 0:
            return 10
        case 1 | 2 | 3:
            r = 20
        case -4:
            r = 30
        case k if k > 10 and k % 2 == 0:
            r = k
        case _:
            r = 50
    return r + 1


def matched_in_loop(n):
    r = 0
    for k in range(12):
        match (k + n) % 5:
            case 0:
                continue
            case 1:
                r += 1
            case 4:
                break
        r += 100
    return r


def swaps(n):
    a, b = 0, 1
    for _ in range(max(n, 0)):
        a, b = b, (a + b) % 1000
    return a


def loop_in_condition_sides(n):
    r = 0
    if n % 2 == 0:
        k = 0
        while k < n:
            k += 3
        r = k
    else:
        for k in range(3):
            r += k * n
    return r


def assigned_on_all_exits(n):
    while True:
        if n > 12:
            v = 1
            break
        n += 1
        if n % 5 == 0:
            v = 2
            break
    return v * 100 + n


def while_not(n):
    done = False
    while not done:
        n += 2
        done = n > 9
    return n


def deep_exit(n):
    total = 0
    for a in range(4):
        b = 0
        while True:
            b += 1
            if b > 4:
                break
            for c in range(3):
                if c == n:
                    total += 1
                    break
                if a + b + c == n:
                    return total * 1000 + 7
                total += c
    return total


FUNCTIONS = [
    early, chained, nested_returns, collatz, leading_break, middle_break, several_exits, exit_with_work,
    return_from_endless, for_break, for_leading_break, variable_after_break, variable_after_loop, steps,
    run_time_step, for_return, nested_break_continue, changed_bound, target_assigned, partial_continue,
    chain_comparison, short_circuits, values_of_and_or, matched, matched_in_loop, swaps,
    loop_in_condition_sides, assigned_on_all_exits, while_not, deep_exit,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_control_flow_is_pythons(function: Callable[[int], int]) -> None:
    """A function gives in a kernel what it gives in Python, for every argument."""
    called = gy.func(function)

    def kernel(x, out):
        i = gy.global_id()
        out[i] = called(x[i])

    x = np.array(ARGUMENTS, np.int32)
    out = np.zeros_like(x)
    launch(kernel, x.size, x, out)
    assert out.tolist() == [function(n) for n in ARGUMENTS]
