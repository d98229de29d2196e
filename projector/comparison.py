"""Comparing two generations key by key, while both move on.

Each batch reaches both in one step, so from the moment they are equally far they are equal at every moment, and each
piece may be compared at a moment of its own.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from projector.generation_store import GenerationStore
from read_models.generation_calls import Compared, Generations

_PAIRS_AT_ONCE: Final = 25
_ENTRIES_AT_ONCE: Final = 500
_MEMBERS_AT_ONCE: Final = 500

_KINDS: Final = {
    b"u": "users",
    b"h": "histories",
    b"idempotency": "outcomes of idempotency keys",
    b"changes": "change feeds",
    b"conflicts": "sets of values claimed twice",
    b"quarantine": "quarantines",
}


@dataclass(slots=True)
class Differences:
    """How many things were compared, and how many of them differ, by kind."""

    compared: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        if not self.different:
            return ", ".join(f"{count:,} {kind}" for kind, count in self.compared.most_common())
        return ", ".join(f"{count:,} of {self.compared[kind]:,} {kind}" for kind, count in self.different.most_common())


class Comparison:
    """Compares the live generation with the one beside it; `at_work` is called often, to keep a lease or show a bar."""

    def __init__(self, store: GenerationStore, generations: Generations, at_work: Callable[[int], None]) -> None:
        assert generations.beside is not None  # noqa: S101 - there is something to compare with
        self._store = store
        self._generations = generations
        self._at_work = at_work
        self._keys = [store.keys.generation(g.generation) for g in (generations.live, generations.beside)]
        self._found = Differences()

    def run(self) -> Differences:
        """Compare everything.

        Raises:
            OtherGeneration: these are not the generations any more.
        """
        self._compare_keys()
        for pair in zip(self._keys[0].indexes, self._keys[1].indexes, strict=True):
            self._compare_index(pair)
        return self._found

    def _compare_keys(self) -> None:
        one, other = (f"{keys.prefix}:".encode() for keys in self._keys)
        numbers = [self._generations.live.generation, self._generations.beside.generation]  # type: ignore[union-attr]
        for names in self._store.names(*numbers):
            rests = [name.removeprefix(one) for name in names if name.startswith(one)]
            # Of what only the other one has nothing else would tell.
            its = [name.removeprefix(other) for name in names if name.startswith(other)]
            mine = self._store.exist([one + rest for rest in its])
            rests += [rest for rest, exists in zip(its, mine, strict=True) if not exists]
            rests = [rest for rest in rests if _kind(rest) is not None]
            for first in range(0, len(rests), _PAIRS_AT_ONCE):
                self._compare([(one + rest, other + rest) for rest in rests[first : first + _PAIRS_AT_ONCE]], len(one))
            self._at_work(len(names))

    def _compare(self, pairs: list[tuple[bytes, bytes]], prefix: int) -> None:
        for pair, first in zip(pairs, self._ask(pairs, 0), strict=True):
            reply, start = first, 0
            while reply == "longer":
                start += _ENTRIES_AT_ONCE
                (reply,) = self._ask([pair], start)
            self._note(_kind(pair[0][prefix:]) or "", equal=reply == "equal")

    def _ask(self, pairs: list[tuple[bytes, bytes]], start: int) -> list[Compared]:
        return self._store.compare_keys(self._generations, pairs, start, start + _ENTRIES_AT_ONCE - 1)

    def _compare_index(self, pair: tuple[str, str]) -> None:
        behind: bytes | None = None
        same = True
        while True:
            equal, behind = self._store.compare_indexes(self._generations, pair, behind, _MEMBERS_AT_ONCE)
            same = same and equal
            self._at_work(0)
            if behind is None:
                break
        self._note("indexes", equal=same)

    def _note(self, kind: str, *, equal: bool) -> None:
        self._found.compared[kind] += 1
        if not equal:
            self._found.different[kind] += 1


def _kind(rest: bytes) -> str | None:
    """Say what a key is by what follows the generation; None: it is compared in another way, or need not be equal."""
    return _KINDS.get(rest.partition(b":")[0])
