"""What it costs to save actors: seconds to a file that survives a loss of power, and those the loop stands.

python benchmarks/checkpoint.py [--gib 1] [--rounds 7] [--recoveries 100] [--folder .] [--json FILE]

The state lies in actors of 256 KiB each, filled by their own handlers, on the CPU device; the loop runs. A
raw copy of as many bytes, written and synchronised in the same way, says what the disk gives.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import gyral as gy
from gyral.actors.disk import DISK
from gyral.actors.stage import Stage
from measures import Measure
from terminal import console, publish

CELLS = 65536
SHARE = 100
"""One actor in so many changes before an increment."""
NOTE = "Packed sizes and times are those of a smooth field; numbers without a pattern hardly pack."


@gy.message
class Fill:
    seed: gy.i32


@gy.message
class Done:
    last: gy.f32


@gy.actor(mailbox=64)
class Block:
    """A part of a smooth field, such as simulations and models hold."""

    seed: gy.i32 = 0
    cells: gy.Local[gy.f32, CELLS]

    def fill(self, msg: Fill) -> Done:
        self.seed = msg.seed
        for k in range(CELLS):
            self.cells[k] = gy.sin(0.001 * k + msg.seed) + 1.5
        return Done(self.cells[CELLS - 1])


def fill(refs: list, seed: int) -> None:
    """Let actors fill their memory, and wait until they have."""
    for number, ref in enumerate(refs):
        ref.ask_sync(Fill(seed + number), 60.0)


def timed(call: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each call, after one that is not counted."""
    found = []
    for number in range(rounds + 1):
        began = time.perf_counter()
        call()
        if number:
            found.append(time.perf_counter() - began)
    return found


def disk_alone(folder: Path, nbytes: int, rounds: int) -> list[float]:
    """Writing as many bytes, from pages, around the cache, and synchronised."""
    stage, chunk = Stage(), 4 << 20
    source = {"x": np.random.default_rng(0).integers(0, 256, nbytes, np.uint8)}
    pages = stage.copy(source)["x"].data

    def write() -> None:
        path = folder / "alone"
        file, _ = DISK.create(path, nbytes)
        for at in range(0, nbytes, chunk):
            DISK.write(file, pages[at : at + chunk], at)
        DISK.sync(file)
        path.unlink()

    return timed(write, rounds)


def check(path: Path, refs: list) -> None:
    """Raises when what was saved is not what the actors hold."""
    with gy.ActorSystem.restore(path) as again:
        for ref, other in list(zip(refs, again.refs(), strict=True))[:: max(1, len(refs) // 16)]:
            mine, theirs = ref.state(), other.state()
            if mine["seed"] != theirs["seed"] or not np.array_equal(mine["cells"], theirs["cells"]):
                raise ValueError(f"{ref!r} was not restored as it was")


def measured(system: gy.ActorSystem, refs: list, folder: Path, rounds: int, size: str) -> list[Measure]:
    """Whole checkpoints raw and packed, increments, and restoring."""
    path, found = folder / "state", []
    for name, compress, goal in (("raw", None, 1.0), ("zlib", "zlib", None), ("zstd", "zstd", None)):
        # What packs slowly is measured less often.
        times = min(rounds, 2) if compress == "zlib" else rounds
        records = [system.checkpoint(path, compress) for _ in range(times + 1)][1:]
        check(path, refs)
        found += [
            Measure(f"{size}, {name}: until it is safe on disk", "s", [r.seconds for r in records], goal),
            Measure(f"{size}, {name}: the loop stands", "s", [r.paused for r in records]),
            Measure(f"{size}, {name}: the file", "MiB", [r.nbytes / 2**20 for r in records]),
        ]
    system.checkpoint(path)
    records = []
    for number in range(rounds):
        fill(refs[::SHARE], 1000 * number)
        records.append(system.checkpoint(path, incremental=True))
    check(path, refs)
    found += [
        Measure(f"{size}, one actor in {SHARE} changed: an increment", "s", [r.seconds for r in records]),
        Measure(f"{size}, one actor in {SHARE} changed: the loop stands", "s", [r.paused for r in records]),
    ]
    system.checkpoint(path)

    def restore() -> None:
        gy.ActorSystem.restore(path).close()

    return [*found, Measure(f"{size}, raw: read, checked and running again", "s", timed(restore, rounds))]


def recoveries(folder: Path, count: int) -> list[Measure]:
    """Going back to a checkpoint held in memory, and answering again."""
    with gy.ActorSystem() as system:
        refs = system.spawn_many(Block, 64)
        fill(refs, 0)
        system.checkpoint(folder / "small")

        def recover() -> None:
            system.recover()
            refs[0].ask_sync(Fill(1), 60.0)

        values = timed(recover, count)
    return [
        Measure("16 MiB: recovery of a loop until its first reply", "ms", [1e3 * v for v in values]),
        Measure("16 MiB: the worst recovery", "s", [max(values)], 10.0),
    ]


def main(given: list[str]) -> int:
    """Measures, shows and records; returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description="What it costs to save actors.")
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--recoveries", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    count, rounds = max(1, int(options.gib * 2**30 / (4 * CELLS))), max(1, options.rounds)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, size = Path(name), f"{options.gib:g} GiB"
        alone = Measure(
            f"{size}: the disk alone, raw", "s", disk_alone(folder, int(options.gib * 2**30), rounds)
        )
        with gy.ActorSystem() as system:
            refs = system.spawn_many(Block, count)
            fill(refs, 0)
            figures = [alone, *measured(system, refs, folder, rounds, size)]
        figures += recoveries(folder, max(1, options.recoveries))
    met = publish("Checkpoints of actors", figures, console(), options.json, "-checkpoint", [NOTE])
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
