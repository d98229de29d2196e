"""Which server is the primary, and how it comes to be lost, rolled back, deposed and failed back to."""

from random import Random

from tests.integration.protocol.servers import Machines, Server


class Outages:
    """The servers of one schedule; a former primary may go on serving those who still talk to it."""

    def __init__(self, rnd: Random, machines: Machines, fail_back: float) -> None:
        first = machines.start()
        assert first is not None
        self.servers: list[Server] = [first]
        self.current = self.deposed = first
        self._rnd, self._machines, self._fail_back_part = rnd, machines, fail_back
        self._numbers = 0
        first.identify(self._new_number(), self._new_number())
        machines.snapshot.become_copy_of(first)

    def note_what_a_replica_has(self) -> None:
        """Take the snapshot that a replica, or a restart, will come up with."""
        self._machines.snapshot.become_copy_of(self.current)

    def lose_primary(self) -> None:
        """Go on on another server: empty, with the snapshot, or the former primary after it was resynchronised."""
        if self.deposed is not self.current and self._rnd.random() < self._fail_back_part:
            self._fail_back()
        elif (started := self._machines.start()) is not None:
            if self._rnd.random() < 0.6:
                started.become_copy_of(self._machines.snapshot)
            self._replace(started)
        self.note_what_a_replica_has()

    def _replace(self, started: Server) -> None:
        """Serve from a restarted server, which keeps its replication id, or from a promoted one, which does not."""
        promoted = self._rnd.random() < 0.5
        started.identify(self._new_number(), self._new_number() if promoted else self.current.replid)
        self.servers.append(started)
        self.deposed, self.current = self.current, started

    def _fail_back(self) -> None:
        """Promote the former primary again: the same process, so the replication id alone is new."""
        back, lost = self.deposed, self.current
        back.become_copy_of(self._rnd.choice([lost, self._machines.snapshot]))
        back.identify(back.run_id, self._new_number())
        self.deposed, self.current = lost, back

    def stop(self) -> None:
        """Let everybody find the current primary from now on."""
        self.deposed = self.current

    def _new_number(self) -> int:
        self._numbers += 1
        return self._numbers
