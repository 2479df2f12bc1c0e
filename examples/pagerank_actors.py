"""PageRank by actors: a page that is told of rank keeps it and passes a part on to the pages it links to.

python examples/pagerank_actors.py [--graph edges.txt] [--device cpu] [--tolerance 1e-8] [--json]

Nobody counts rounds and nobody waits for anybody: a page adds up what it is told and, once that is more than
the tolerance, sends itself a message to pass it on. The answer is compared with the power iteration in NumPy,
and with networkx where it is installed.

The graph is a file with two numbers or names a line, from and to; "#" begins a comment. Without one it is
Zachary's karate club: who met whom outside the club, 34 people (W. W. Zachary, "An information flow model for
conflict and fission in small groups", Journal of Anthropological Research 33, 1977).
"""

import argparse
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import gyral as gy
from telling import finish, options, progress, run, tell_all

KARATE = """
1 2 3 4 5 6 7 8 9 11 12 13 14 18 20 22 32/2 3 4 8 14 18 20 22 31/3 4 8 9 10 14 28 29 33/4 8 13 14/5 7 11
6 7 11 17/7 17/9 31 33 34/10 34/14 34/15 33 34/16 33 34/19 33 34/20 34/21 33 34/23 33 34/24 26 28 30 33 34
25 26 28 32/26 32/27 30 34/28 34/29 32 34/30 33 34/31 33 34/32 33 34/33 34
"""
DAMPING = 0.85


@gy.message
class Link:
    to: gy.Ref


@gy.message
class Share:
    part: gy.f32


@gy.message
class Spread:
    pass


@gy.message
class Look:
    pass


@gy.message
class Rank:
    value: gy.f32


def page_class(most_links: int, tolerance: float, damping: float) -> type:
    """Pages with so many links at most."""

    @gy.actor(sends={"spread": most_links, "share": 1}, capacity=1024)
    class Page:
        rank: gy.f32 = 0.0
        waiting: gy.f32 = 0.0
        called: gy.i32 = 0
        links: gy.i32 = 0
        to: gy.Local[gy.Ref, most_links] = None

        def link(self, msg: Link):
            self.to[self.links] = msg.to
            self.links += 1

        def share(self, msg: Share):
            self.waiting += msg.part
            if self.called == 0 and self.waiting > tolerance:
                self.called = 1
                self.me.tell(Spread())

        def spread(self, msg: Spread):
            taken = self.waiting
            self.waiting = 0.0
            self.called = 0
            self.rank += taken
            for k in range(self.links):
                self.to[k].tell(Share(damping * taken / self.links))

        def look(self, msg: Look) -> Rank:
            return Rank(self.rank + self.waiting)

    return Page


def karate() -> tuple[list[str], np.ndarray]:
    """The karate club: names, and rows (from, to)."""
    pairs = []
    for row in KARATE.replace("\n", "/").split("/"):
        first, *others = map(int, row.split() or [0])
        pairs += [pair for other in others for pair in ((first - 1, other - 1), (other - 1, first - 1))]
    return [str(k + 1) for k in range(34)], np.array(pairs)


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """A graph from a file of edges; a repeated edge counts once."""
    number: dict[str, int] = {}
    pairs = set()
    for line, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = text.partition("#")[0].split()
        if len(words) == 2:
            pairs.add(tuple(number.setdefault(word, len(number)) for word in words))
        elif words:
            sys.exit(f"{path}:{line}: a line has two names, from and to")
    if not pairs:
        sys.exit(f"{path} has no edges")
    return list(number), np.array(sorted(pairs))


def by_numpy(n: int, edges: np.ndarray) -> np.ndarray:
    """PageRank by the power iteration; pages without links give to everybody alike."""
    degree = np.bincount(edges[:, 0], minlength=n)
    rank = np.full(n, 1 / n)
    for _ in range(200):
        part = np.divide(rank, degree, out=np.zeros(n), where=degree > 0)
        came = np.bincount(edges[:, 1], part[edges[:, 0]], minlength=n)
        rank = (1 - DAMPING) / n + DAMPING * (came + rank[degree == 0].sum() / n)
    return rank


def by_actors(n: int, edges: np.ndarray, given: argparse.Namespace) -> tuple[np.ndarray, dict[str, object]]:
    """PageRank by an actor for each page, and what it took."""
    most = int(np.bincount(edges[:, 0]).max())
    # Lanes hold whatever is under way at once: at most a share for each link, and a call for each page.
    depth = 1 << max(12, int(2 * (len(edges) + n)).bit_length())
    page = page_class(most, given.tolerance / n, DAMPING)
    with gy.ActorSystem(device=given.device, depth=depth) as system:
        pages = system.spawn_many(page, n)
        for start, end in edges:
            tell_all(pages[start], Link(pages[end]))
        system.settle()
        began = time.perf_counter()
        for one in pages:
            one.tell(Share(1 / n))
        while not system.settle(0.2):
            progress(given, f"{sum(row.handled for row in system.actors()):,} messages")
        seconds = time.perf_counter() - began
        rank = np.array([answer.value for answer in system.ask_many(pages, Look(), timeout=30.0)])
        handled = sum(row.handled for row in system.actors())
        lost = len(system.dead_letters())
        way = system.way
    # A page without links keeps what it has; were that shared out alike, ranks had the same proportions.
    facts = {"way": way, "messages": handled, "seconds": seconds, "lost": lost}
    return rank / rank.sum(), facts


def by_networkx(names: list[str], edges: np.ndarray) -> np.ndarray | None:
    """PageRank by networkx, if it is installed."""
    if find_spec("networkx") is None:
        return None
    networkx = import_module("networkx")
    graph = networkx.DiGraph(edges.tolist())
    found = networkx.pagerank(graph, DAMPING, tol=1e-12, max_iter=1000)
    return np.array([found[k] for k in range(len(names))])


def main() -> int:
    parser = options("PageRank by actors, compared with the power iteration")
    parser.add_argument("--graph", type=Path, help="a file of edges (Zachary's karate club)")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="rank that is not passed on (1e-6)")
    given = parser.parse_args()
    names, edges = karate() if given.graph is None else read(given.graph)
    rank, facts = by_actors(len(names), edges, given)
    off = float(np.abs(rank - by_numpy(len(names), edges)).max())
    other = by_networkx(names, edges)
    best = np.argsort(-rank, kind="stable")[:8]
    report = {
        "device": given.device,
        "pages": len(names),
        "links": len(edges),
        **facts,
        "off_numpy": off,
        "off_networkx": None if other is None else float(np.abs(rank - other).max()),
        "best": {names[k]: float(rank[k]) for k in best},
        "ok": off < max(1e-5, 10 * given.tolerance) and facts["lost"] == 0,
    }
    lines = [
        f"{len(names)} pages, {len(edges)} links on {given.device} ({facts['way']}): {facts['messages']:,} "
        f"messages in {facts['seconds'] * 1e3:.1f} ms, off by {off:.1e} from the power iteration",
        *(f"  {names[k]:>12} {rank[k]:.5f} {'█' * round(60 * rank[k] / rank.max())}" for k in best),
    ]
    return finish(given, report, lines)


if __name__ == "__main__":
    sys.exit(run(main))
