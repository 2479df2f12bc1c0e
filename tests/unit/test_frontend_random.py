"""Random control flow, run by Python itself and by the interpreter of the IR."""

import random

import numpy as np
import pytest
from tests.frontend_programs import define, launch

import gyral as gy

NAMES = ("a", "b", "c")


class Writer:
    """Writes a random function of one integer whose loops all end: every loop counts its own turns."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lines: list[str] = []
        self.loops = 0

    def put(self, depth: int, text: str) -> None:
        """One line."""
        self.lines.append("    " * depth + text)

    def value(self) -> str:
        """A small expression."""
        x, y = self.rng.choice(NAMES), self.rng.choice((*NAMES, "n", "1", "3"))
        return self.rng.choice(
            (x, f"{x} + {y}", f"{x} - {y}", f"{x} * 3 % 101", f"max({x}, {y})", f"{x} // 2")
        )

    def test(self) -> str:
        """A condition."""
        one = f"{self.rng.choice(NAMES)} % {self.rng.randint(2, 5)} == {self.rng.randint(0, 2)}"
        two = f"{self.rng.choice(NAMES)} > {self.rng.choice((*NAMES, 'n', '4'))}"
        return self.rng.choice((one, two, f"{one} and {two}", f"not ({two})", f"{one} or {two}"))

    def exit(self, depth: int, in_loop: bool) -> None:
        """A way out."""
        ways = ["return " + self.value()]
        if in_loop:
            ways += ["break", "continue", "break", "continue"]
        self.put(depth, self.rng.choice(ways))

    def block(self, depth: int, in_loop: bool, budget: int) -> None:
        """Some statements; the last may be a way out."""
        for _ in range(self.rng.randint(1, 3)):
            self.statement(depth, in_loop, budget)
        if self.rng.random() < 0.25 and depth > 1:
            self.exit(depth, in_loop)

    def statement(self, depth: int, in_loop: bool, budget: int) -> None:
        """An assignment, a branch or a loop."""
        kind = self.rng.random()
        if budget == 0 or kind < 0.35:
            name, value = self.rng.choice(NAMES), self.value()
            self.put(
                depth, self.rng.choice((f"{name} = ({value}) % 97 - 40", f"{name} += 1", f"{name} -= 1"))
            )
        elif kind < 0.7:
            self.put(depth, f"if {self.test()}:")
            self.block(depth + 1, in_loop, budget - 1)
            if self.rng.random() < 0.5:
                self.put(depth, "else:")
                self.block(depth + 1, in_loop, budget - 1)
        elif kind < 0.85:
            self.for_loop(depth, budget)
        else:
            self.while_loop(depth, budget)

    def for_loop(self, depth: int, budget: int) -> None:
        """A counted loop, whose variable is used afterwards at times."""
        name = self.rng.choice(NAMES)
        bounds = self.rng.choice(("5", "1, 9, 2", "7, 0, -3", "n % 4", "2, n % 7"))
        self.put(depth, f"for {name} in range({bounds}):")
        self.block(depth + 1, True, budget - 1)

    def while_loop(self, depth: int, budget: int) -> None:
        """A loop with a counter of its own, tested at the top, in the middle or at the end."""
        self.loops += 1
        turn = f"t{self.loops}"
        self.put(depth, f"{turn} = 0")
        form = self.rng.randint(0, 2)
        self.put(depth, f"while {turn} < 6:" if form == 0 else "while True:")
        if form == 2:
            self.put(depth + 1, f"{self.rng.choice(NAMES)} += 1")
        self.put(depth + 1, f"{turn} += 1")
        if form:
            self.put(depth + 1, f"if {turn} > 5:")
            if self.rng.random() < 0.3:
                self.put(depth + 2, f"{self.rng.choice(NAMES)} = {self.value()}")
            self.put(depth + 2, "break")
        self.block(depth + 1, True, budget - 1)

    def text(self) -> str:
        """The whole function."""
        self.put(0, "def f(n):")
        self.put(1, "a, b, c = n, 1, 2")
        for _ in range(3):
            self.statement(1, False, 3)
        self.put(1, "return a * 10000 + b * 100 + c")
        return "\n".join(self.lines) + "\n"


@pytest.mark.parametrize("seed", range(60))
def test_random_control_flow_is_pythons(seed: int) -> None:
    """A random function gives in a kernel what it gives in Python."""
    function = define(Writer(seed).text(), "f")
    called = gy.func(function)

    def kernel(x, out):
        i = gy.global_id()
        out[i] = called(x[i])

    x = np.arange(-3, 9, dtype=np.int32)
    out = np.zeros_like(x)
    launch(kernel, x.size, x, out)
    assert out.tolist() == [function(n) for n in x.tolist()]
