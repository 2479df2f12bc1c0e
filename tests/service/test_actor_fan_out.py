"""One handler that sends to many: every receiver gets what it was sent, whichever worker runs it."""

import pytest

import gyral as gy


@gy.message
class Link:
    to: gy.Ref


@gy.message
class Go:
    pass


@gy.message
class Add:
    amount: gy.i32


@gy.actor(sends=16)
class Sender:
    links: gy.i32 = 0
    got: gy.i32 = 0
    to: gy.Local[gy.Ref, 16] = None

    def link(self, msg: Link):
        self.to[self.links] = msg.to
        self.links += 1

    def go(self, msg: Go):
        self.sender.tell(Add(self.links))
        for k in range(self.links):
            self.to[k].tell(Add(k))
        self.me.tell(Add(100))

    def add(self, msg: Add):
        self.got += msg.amount


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_handler_reaches_actors_of_every_worker_and_the_host(workers: int) -> None:
    """Sends to actors of several workers, to oneself and to the host all arrive, once each."""
    with gy.ActorSystem(workers=workers) as system:
        actors = system.spawn_many(Sender, 7)
        for actor in actors:
            actors[0].tell(Link(actor))
        actors[0].tell(Go())
        assert system.settle(10.0)
        assert [actor.state()["got"] for actor in actors] == [100, 1, 2, 3, 4, 5, 6]
        assert system.inbox.get(timeout=10.0).message == Add(7)
        assert system.dead_letters() == []
