"""`python -m projector generations|rollback|prune`: what there is, back to the generation before, and without it."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

from projector.generation_flip import CannotFlip, flip_when_equal
from projector.generation_store import GenerationStore
from projector.progress_bar import progress_bar
from projector.settings import ProjectorSettings
from projector.store import RedisError
from read_models.calls import OtherGeneration
from read_models.generation_calls import Generations, LeaseLost
from runtime.settings import load
from runtime.startup import StartupError

_CHANGED = "the generations have just changed: look at them with `python -m projector generations`"


def generations(arguments: Sequence[str]) -> None:
    """Say which generations there are."""
    _no_arguments("generations", "Say which generations of the read models there are, and how far they are.", arguments)
    settings, store, found = _open()
    _print_generations(settings, store, found)


def rollback(arguments: Sequence[str]) -> None:
    """Make the kept generation the live one again."""
    parser = argparse.ArgumentParser(
        prog="python -m projector rollback",
        description="Make the kept generation the live one again, under the conditions under which a rebuild ends.",
    )
    parser.add_argument("--accept-differences", action="store_true", help="also where the two differ")
    asked = parser.parse_args(arguments)
    settings, store, found = _open()
    if found.beside is None or found.beside.stage != "kept":
        raise StartupError(f"no generation is kept beside the live one ({found.live.generation})")
    try:
        with progress_bar("keys") as bar:
            compared = flip_when_equal(
                store,
                settings.kafka_partitions,
                bar,
                accept_differences=asked.accept_differences,
                leased=False,
            )
    except CannotFlip as error:
        raise StartupError(str(error)) from None
    except OtherGeneration:
        raise StartupError(_CHANGED) from None
    except RedisError as error:
        raise _no_redis(error) from error
    print(f"generation {found.beside.generation} is live again; compared: {compared}")


def prune(arguments: Sequence[str]) -> None:
    """Delete the generation beside the live one."""
    _no_arguments("prune", "Delete the generation beside the live one: the kept one, or an unfinished one.", arguments)
    _, store, found = _open()
    if found.beside is None:
        print("there is nothing to prune")
        return
    try:
        deleted = prune_beside(store, found)
    except LeaseLost:
        raise StartupError("a rebuild is at work: end it first; one that was killed is forgotten after 6 s") from None
    except OtherGeneration:
        raise StartupError(_CHANGED) from None
    except RedisError as error:
        raise _no_redis(error) from error
    print(f"generation {found.beside.generation} is deleted: {deleted:,} keys")


def prune_beside(store: GenerationStore, found: Generations) -> int:
    """Delete the generation beside the live one; return how many keys it had.

    Raises:
        LeaseLost: a rebuild is at work.
        OtherGeneration: the generations are not what they were.
    """
    assert found.beside is not None  # noqa: S101 - the caller has just seen it
    pruning = replace(found.beside, stage="pruning")
    # From here on no process writes to it.
    store.move_beside(found.beside, pruning, leased=False)
    deleted = 0
    for names in store.names(pruning.generation):
        store.unlink(names)
        deleted += len(names)
    store.move_beside(pruning, None, leased=False)
    return deleted


def _open() -> tuple[ProjectorSettings, GenerationStore, Generations]:
    settings = load(ProjectorSettings)
    store = GenerationStore(settings)
    deadline = time.monotonic() + settings.startup_wait_seconds
    while True:
        try:
            found = store.generations()
        except RedisError as error:
            if time.monotonic() > deadline:
                raise _no_redis(error) from error
            time.sleep(0.5)
            continue
        if found is None:
            raise StartupError("Redis holds no read models under REDIS_KEY_PREFIX: the projector makes them")
        return settings, store, found


def _print_generations(settings: ProjectorSettings, store: GenerationStore, found: Generations) -> None:
    partitions = range(settings.kafka_partitions)
    state = "live" if found.live.complete else "live, being filled from the log"
    try:
        mine = store.progress(found.live, partitions)
        lines = [_line(found.live.generation, state, *store.sizes(found.live.generation))]
        if found.beside is not None:
            its = store.progress(found.beside, partitions)
            done, whole = (sum(one.position for one in progress.values()) for progress in (its, mine))
            state = f"{found.beside.stage}, at {done:,} of {whole:,}"
            lines.append(_line(found.beside.generation, state, *store.sizes(found.beside.generation)))
    except RedisError as error:
        raise _no_redis(error) from error
    print("\n".join(lines))


def _line(number: int, state: str, users: int, conflicts: int) -> str:
    return f"generation {number}: {state}; {users:,} users, {conflicts:,} values claimed twice"


def _no_arguments(name: str, description: str, arguments: Sequence[str]) -> None:
    argparse.ArgumentParser(prog=f"python -m projector {name}", description=description).parse_args(arguments)


def _no_redis(error: RedisError) -> StartupError:
    return StartupError(f"Redis at REDIS_URL does not answer ({type(error).__name__}): start it or set REDIS_URL")
