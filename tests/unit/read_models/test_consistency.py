import pytest

from read_models.consistency import ConsistencyToken, InvalidConsistencyToken, token

LOG = "01936e09-11aa-7b22-8c33-1d44e55f6677"
OTHER = "01936e09-11aa-7b22-8c33-1d44e55f6678"


def test_a_token_reads_back() -> None:
    assert ConsistencyToken.parse(token(LOG, 3, 1284)) == ConsistencyToken(LOG, {3: 1284})
    whole = ConsistencyToken(LOG, {0: 7, 11: 2**62})
    assert ConsistencyToken.parse(str(whole)) == whole


@pytest.mark.parametrize(
    ("texts", "offsets"),
    [
        ((f"{LOG}.0-1", f"{LOG}.0-5"), {0: 5}),
        ((f"{LOG}.0-5", f"{LOG}.0-1"), {0: 5}),
        ((f"{LOG}.0-1", f"{LOG}.1-9"), {0: 1, 1: 9}),
        ((f"{LOG}.0-1.1-9", f"{LOG}.1-3.0-4"), {0: 4, 1: 9}),
        ((f"{LOG}.0-5.0-3",), {0: 5}),
    ],
)
def test_several_tokens_mean_all_of_them(texts: tuple[str, ...], offsets: dict[int, int]) -> None:
    assert ConsistencyToken.parse(", ".join(texts)).offsets == offsets
    assert ConsistencyToken.parse(",".join(texts)).offsets == offsets


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        LOG,
        f"{LOG}.",
        f"{LOG}.0",
        f"{LOG}.0-",
        f"{LOG}.0--1",
        f"{LOG}.-1-0",
        f"{LOG}.a-1",
        f"{LOG}.0-1.",
        f"{LOG}.10000-1",
        f"{LOG}.0-{10**19}",
        f"{LOG}.0-1,",
        f"{LOG}.0-1 {LOG}.0-1",
        f"{LOG[:-1]}.0-1",
        f"{LOG}.0-1,{OTHER}.0-1",
        f"{LOG}.٠-1",
        ",".join([f"{LOG}.0-1"] * 300),
    ],
    ids=lambda text: text[:60],
)
def test_what_this_service_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(InvalidConsistencyToken):
        ConsistencyToken.parse(text)


@pytest.mark.parametrize(
    ("positions", "reached"),
    [
        ([(0, 6), (1, 1)], True),
        ([(0, 7), (1, 9)], True),
        ([(0, 5), (1, 9)], False),
        ([(0, 6), (1, 0)], False),
        ([(0, 6)], True),
    ],
)
def test_a_token_is_reached_once_every_partition_is_past_what_was_seen(
    positions: list[tuple[int, int]], reached: bool
) -> None:
    assert ConsistencyToken(LOG, {0: 5, 1: 0}).reached_by(positions) is reached
