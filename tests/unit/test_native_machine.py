"""Topology on made-up machines, and the host's identity."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gyral import _native


def _machine(root: Path, cpus: list[tuple[int, int]], nodes: dict[int, str]) -> str:
    """A sysfs tree: (package, core) per CPU, and the CPU list of each node."""
    for cpu, (package, core) in enumerate(cpus):
        folder = root / f"devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{package}\n")
        (folder / "core_id").write_text(f"{core}\n")
    if nodes:
        folder = root / "devices/system/node"
        folder.mkdir(parents=True)
        (folder / "online").write_text(f"{min(nodes)}-{max(nodes)}\n")
    for node, cpulist in nodes.items():
        (folder / f"node{node}").mkdir()
        (folder / f"node{node}/cpulist").write_text(f"{cpulist}\n")
    return str(root)


def _order(root: str, cpus: range | list[int]) -> list[int]:
    return [place["cpu"] for place in _native.topology(root, cpus)]


TWO_SOCKETS = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0), (0, 1), (1, 0), (1, 1)]


def test_cores_come_before_their_siblings(tmp_path: Path) -> None:
    """Within a node every core has a thread before any core has two."""
    root = _machine(tmp_path, [(0, 0), (0, 0), (0, 1), (0, 1)], {0: "0-3"})
    assert _order(root, range(4)) == [0, 2, 1, 3]


def test_nodes_are_contiguous(tmp_path: Path) -> None:
    """A node is filled, siblings too, before the next begins."""
    root = _machine(tmp_path, TWO_SOCKETS, {0: "0-1,4-5", 1: "2-3,6-7"})
    assert _order(root, range(8)) == [0, 1, 4, 5, 2, 3, 6, 7]


def test_only_allowed_cpus_count(tmp_path: Path) -> None:
    """A sibling alone counts as the core's first thread."""
    root = _machine(tmp_path, TWO_SOCKETS, {0: "0-1,4-5", 1: "2-3,6-7"})
    places = _native.topology(root, [1, 4, 6])
    assert [(each["cpu"], each["node"], each["sibling"]) for each in places] == [
        (4, 0, 0),
        (1, 0, 0),
        (6, 1, 0),
    ]


def test_a_place_is_described(tmp_path: Path) -> None:
    """Each CPU tells its node, package, core and sibling number."""
    root = _machine(tmp_path, TWO_SOCKETS, {0: "0-1,4-5", 1: "2-3,6-7"})
    assert _native.topology(root, [2, 6])[1] == {"cpu": 6, "node": 1, "package": 1, "core": 0, "sibling": 1}


def test_a_machine_without_nodes_is_one_node(tmp_path: Path) -> None:
    """Kernels without NUMA support have no node folder."""
    root = _machine(tmp_path, [(0, 0), (0, 1)], {})
    assert [each["node"] for each in _native.topology(root, range(2))] == [0, 0]


def test_nothing_known_means_a_core_each(tmp_path: Path) -> None:
    """Without any files the CPUs are taken as they come."""
    assert _order(str(tmp_path), [3, 1, 2]) == [1, 2, 3]


def test_a_damaged_tree_is_survived(tmp_path: Path) -> None:
    """Text that is no number or list counts as absent."""
    root = _machine(tmp_path, [(0, 0), (0, 1)], {0: "zero", 1: "1-"})
    (tmp_path / "devices/system/cpu/cpu1/topology/core_id").write_text("none")
    assert _order(root, range(2)) == [0, 1]


def test_this_machine_is_the_default() -> None:
    """Without arguments the process's own CPUs are described."""
    assert {each["cpu"] for each in _native.topology()} == os.sched_getaffinity(0)


@pytest.mark.parametrize("cpu", [-1, 1024])
def test_cpu_numbers_have_limits(cpu: int) -> None:
    """Numbers outside the table are refused."""
    with pytest.raises(ValueError, match=f"from 0 to 1023, not {cpu}"):
        _native.topology("/sys", [cpu])


def test_the_host_key_is_stable() -> None:
    """Another process on this machine has the same key, in printable ASCII without spaces."""
    program = "from gyral import _native; print(_native.host_key())"
    environment = os.environ | {"PYTHONPATH": str(Path(_native.__file__).parents[1])}
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    key = _native.host_key()
    assert (other.stdout.strip(), key.isascii() and key.isprintable() and " " not in key) == (key, True)
