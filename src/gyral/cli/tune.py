"""`gyral tune`: which block or tile a kernel runs fastest with on a device."""

from __future__ import annotations

import copy
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress
from rich.table import Table

from gyral.cli.exits import Exit
from gyral.cli.locate import kernels
from gyral.cli.output import duration, people, print_json
from gyral.cli.trial import value_for
from gyral.core.errors import KernelFault
from gyral.jit.kernel import Kernel
from gyral.jit.tune import Tuning
from gyral.jit.tune import tune as tune_kernel
from gyral.jit.tuned import DEFAULT, Trial
from gyral.runtime.device import device as device_named
from gyral.runtime.device import options


def tune(
    target: Annotated[str, typer.Argument(metavar="FILE[:KERNEL]", help="The file, or one kernel of it.")],
    shape: Annotated[str, typer.Option(help="Shape of the launch: 1000000 or 1024,1024.")],
    device: Annotated[str, typer.Option(help="The device to tune for.")] = "cpu",
    budget: Annotated[float, typer.Option(min=0.01, help="Seconds for each kernel.")] = 2.0,
    samples: Annotated[int, typer.Option(min=1, help="Most timings of a candidate.")] = 25,
    retune: Annotated[bool, typer.Option("--retune", help="Measure again what is known.")] = False,
    seed: Annotated[int, typer.Option(help="Which random arguments.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")] = False,
) -> None:
    """Find the block or tile with which a kernel runs fastest here, and keep it for programs to come.

    Arguments are made up: arrays as large as the launch. Tune from Python, by kernel.tune, where that does
    not fit the kernel.
    """
    extents = parsed(shape)
    found: list[Tuning] = []
    for name, kernel in kernels(target).items():
        arguments = made_up(kernel, extents, seed)
        with Progress(console=people(error=True), transient=True, disable=json) as bar:
            tell = partial(advance, bar, bar.add_task(f"tuning {name}", total=None))
            found.append(
                tune_kernel(
                    kernel,
                    extents,
                    *arguments,
                    budget=budget,
                    samples=samples,
                    retune=retune,
                    device=device,
                    progress=tell,
                )
            )
        if not json:
            show(found[-1])
    if json:
        print_json([as_data(tuning) for tuning in found])
    if any(trial.fault.startswith("wrong") for tuning in found for trial in tuning.trials):
        raise typer.Exit(Exit.MISMATCH)


def advance(bar: Progress, task: Any, done: int, total: int, what: str) -> None:
    """Show how far a tuning is."""
    bar.update(task, completed=done, total=total, description=f"tuning: {what}")


def parsed(shape: str) -> tuple[int, ...]:
    """A shape written with commas. Raises typer.BadParameter for anything else."""
    parts = shape.replace("x", ",").split(",")
    if not 1 <= len(parts) <= 3 or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"{shape!r} is no shape; write 1000000 or 1024,1024")
    return tuple(int(part) for part in parts)


def made_up(kernel: Kernel, shape: tuple[int, ...], seed: int) -> list[Any]:
    """Random arguments as large as the launch, once the kernel was seen to stay inside them."""
    random = np.random.default_rng(seed)
    arguments = [value_for(parameter, shape, random) for parameter in kernel.parameters]
    try:
        with device_named("cpu"), options(check=True):
            kernel.launch(shape, *copy.deepcopy(arguments), device="cpu")
    except KernelFault as fault:
        raise typer.BadParameter(
            f"{kernel.name} does not fit made-up arguments: {fault}; tune it from Python with your own, "
            f"by {kernel.name}.tune(shape, ...)"
        ) from fault
    return arguments


def show(tuning: Tuning) -> None:
    """The candidates, fastest first, and the choice."""
    grid = Table(
        title=f"{tuning.kernel} over {tuning.shape} on {tuning.device}", box=None, padding=(0, 2, 0, 0)
    )
    grid.add_column("candidate", no_wrap=True)
    grid.add_column("median", justify="right", no_wrap=True)
    grid.add_column("samples", justify="right")
    grid.add_column("", overflow="fold")
    for trial in sorted(tuning.trials, key=lambda trial: trial.seconds):
        chosen = "[green]chosen[/]" if trial.choice == tuning.chosen else ""
        took = "–" if trial.fault else duration(trial.seconds)
        grid.add_row(trial.choice.label, took, str(trial.samples or ""), trial.fault or chosen)
    people().print(grid)
    if tuning.untried:
        rest = ", ".join(choice.label for choice in tuning.untried)
        people().print(f"no time was left for {rest}; run it again to go on", highlight=False, soft_wrap=True)
    people().print(f"[bold]{tuning}[/]", highlight=False, soft_wrap=True)
    if not tuning.kept:
        people().print("the answer could not be kept on disk", style="yellow")


def as_data(tuning: Tuning) -> dict[str, object]:
    """One tuning for programs; times in seconds."""
    return {
        "kernel": tuning.kernel,
        "device": tuning.device,
        "shape": list(tuning.shape),
        "chosen": tuning.chosen.label,
        "gain": tuning.gain if tuning.chosen != DEFAULT else 1.0,
        "kept": tuning.kept,
        "seconds": tuning.seconds,
        "trials": [trial_data(trial) for trial in tuning.trials],
        "untried": [choice.label for choice in tuning.untried],
    }


def trial_data(trial: Trial) -> dict[str, object]:
    """One candidate for programs."""
    return {
        "candidate": trial.choice.label,
        "median_seconds": trial.seconds,
        "samples": trial.samples,
        "fault": trial.fault,
    }
