"""Launches recorded once and replayed by one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_void_p, cast
from dataclasses import dataclass

from gyral.core.driver import Launch, Step
from gyral.core.errors import InternalError, UserError
from gyral.drivers.cuda.program import Program, node
from gyral.drivers.cuda.queue import Queue
from gyral.drivers.cuda.session import Session


@dataclass(eq=False, slots=True)
class Graph:
    """A recorded graph, ready to run. `nodes` are the driver's, 0 for a step without threads."""

    session: Session
    handle: int
    executable: int
    programs: list[Program]
    nodes: list[int]
    launches: list[Launch]
    limits: tuple[int, ...] = ()

    def __del__(self) -> None:
        self.session.release("cuGraphExecDestroy", self.executable)
        self.session.release("cuGraphDestroy", self.handle)


def record(session: Session, steps: Sequence[Step], limits: tuple[int, ...]) -> Graph:
    """A graph of steps. Each waits for those it names, which stand before it."""
    with session:
        handle = session.handle("cuGraphCreate", 0)
        try:
            nodes: list[int] = []
            for number, step in enumerate(steps):
                nodes.append(_add(session, handle, nodes, number, step, limits))
            executable = session.handle("cuGraphInstantiateWithFlags", handle, 0)
        except BaseException:
            session.library["cuGraphDestroy"](handle)
            raise
    launches = [step.launch for step in steps]
    kernels = [0 if 0 in launch.shape else made for launch, made in zip(launches, nodes, strict=True)]
    return Graph(session, handle, executable, [step.program for step in steps], kernels, launches, limits)


def replay(graph: Graph, queue: Queue) -> None:
    """Put all steps on a queue. What the launches said to keep is kept until they are done."""
    with graph.session as session:
        session.call("cuGraphLaunch", graph.executable, queue.handle)
    keep = graph, [launch.keep for launch in graph.launches]
    queue.put(keep, _together([launch.done for launch in graph.launches if launch.done is not None]))


def replace(graph: Graph, number: int, launch: Launch) -> None:
    """Give a step other arguments for the next replays. UserError when its grid would change."""
    if not 0 <= number < len(graph.nodes):
        raise InternalError(f"the graph has {len(graph.nodes)} steps, and number {number} was to be replaced")
    if launch.shape != graph.launches[number].shape:
        raise UserError(
            f"step {number} was recorded over {graph.launches[number].shape}, and {launch.shape} would be "
            "another grid; record the graph anew"
        )
    graph.launches[number] = launch
    if graph.nodes[number]:
        changed = node(graph.programs[number], launch, graph.limits)
        with graph.session as session:
            session.call(
                "cuGraphExecKernelNodeSetParams_v2", graph.executable, graph.nodes[number], byref(changed)
            )


def _add(
    session: Session, handle: int, nodes: Sequence[int], number: int, step: Step, limits: tuple[int, ...]
) -> int:
    if any(not 0 <= before < number for before in step.after):
        raise InternalError(f"step {number} of a graph waits for one that does not stand before it")
    count = len(step.after)
    before = cast((c_void_p * max(1, count))(*(nodes[k] for k in step.after)), POINTER(c_void_p))
    if 0 in step.launch.shape:
        return session.handle("cuGraphAddEmptyNode", handle, before, count)
    wanted = node(step.program, step.launch, limits)
    return session.handle("cuGraphAddKernelNode_v2", handle, before, count, byref(wanted))


def _together(dones: Sequence[Callable[[], None]]) -> Callable[[], None] | None:
    if not dones:
        return None

    def done() -> None:
        for one in dones:
            one()

    return done
