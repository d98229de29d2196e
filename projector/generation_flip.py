"""The flip: the generation beside the live one becomes the live one, once both are equally far and alike."""

import time
from typing import Final

from tqdm import tqdm

from projector.comparison import Comparison, Differences
from projector.generation_store import GenerationStore
from read_models.calls import OtherGeneration
from read_models.generation_calls import Generations, Unequal

_PAUSE_SECONDS: Final = 0.1
_SIGN_OF_LIFE_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 180.0


class CannotFlip(Exception):
    """The generations stay as they are; the message is one line that says why and what to do."""


def flip_when_equal(
    store: GenerationStore, partitions: int, bar: "tqdm[None]", *, accept_differences: bool, leased: bool
) -> str:
    """Wait until both generations are equally far, compare them, and flip; return what was compared, in words.

    Args:
        store: where they are.
        partitions: how many there are.
        bar: shows what is done.
        accept_differences: flip also where they differ.
        leased: this is a rebuild, whose lease is to be kept.

    Raises:
        CannotFlip: see there.
        OtherGeneration, LeaseLost: the generations are not what they were.
    """
    bar.set_description("waiting for the projectors")
    generations = _equally_far(store, partitions, leased)
    bar.set_description("comparing")
    alive = _SignOfLife(store, generations, leased)
    bar.reset()
    bar.unit = " keys"

    def at_work(names: int) -> None:
        bar.update(names)
        alive.give()

    differences = Comparison(store, generations, at_work).run()
    if differences.different and not accept_differences:
        raise CannotFlip(_refusal(differences, generations))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            if store.flip(generations, partitions, accept_differences=accept_differences) == "flipped":
                return str(differences)
        except Unequal as unequal:
            raise CannotFlip(f"the generations differ in the size of {unequal}: {_advice(generations)}") from None
        if time.monotonic() > deadline:
            raise _not_following(generations)
        alive.give()
        time.sleep(_PAUSE_SECONDS)


class _SignOfLife:
    """Keeps the lease of a rebuild, if there is one."""

    def __init__(self, store: GenerationStore, generations: Generations, leased: bool) -> None:
        self._store = store
        self._generations = generations
        self._leased = leased
        self._next = 0.0

    def give(self) -> None:
        now = time.monotonic()
        if self._leased and now >= self._next:
            self._next = now + _SIGN_OF_LIFE_SECONDS
            if self._store.hold() != self._generations:
                raise OtherGeneration


def _equally_far(store: GenerationStore, partitions: int, leased: bool) -> Generations:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        generations = store.hold() if leased else store.generations()
        if generations is None or generations.beside is None or not generations.beside.follows:
            raise OtherGeneration
        progress = store.progress_of_both(generations, range(partitions))
        if len(progress) == partitions and all(
            (mine.position, mine.epoch) == (its.position, its.epoch) for mine, its in progress.values()
        ):
            return generations
        if time.monotonic() > deadline:
            raise _not_following(generations)
        time.sleep(_PAUSE_SECONDS)


def _not_following(generations: Generations) -> CannotFlip:
    beside = generations.beside
    return CannotFlip(
        f"generation {beside.generation if beside else '?'} does not reach the live one: "
        "see that projectors run for every partition, then run the same command again"
    )


def _refusal(differences: Differences, generations: Generations) -> str:
    return f"the generations differ in {differences}: {_advice(generations)}"


def _advice(generations: Generations) -> str:
    beside = generations.beside
    number = beside.generation if beside else "?"
    return (
        f"if generation {number} is the right one, run the same command with --accept-differences; "
        f"`python -m projector prune` deletes generation {number}"
    )
