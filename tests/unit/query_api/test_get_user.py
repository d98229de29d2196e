import pytest
from falcon.testing import ASGIConductor

from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory, make_user
from user_directory_events import Gone

USER = make_user(7, version=3, attributes={"empty": [], "big": 12345678901234567890})
PATH = f"/users/{USER.id}"


@pytest.fixture(autouse=True)
def one_user(directory: MemoryDirectory) -> None:
    directory.put(USER, partition=2, offset=41)


async def test_the_document_is_answered_as_it_is(client: ASGIConductor) -> None:
    answer = await client.simulate_get(PATH)

    assert answer.status_code == 200
    assert answer.content == USER.to_json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["etag"] == '"3"'
    assert answer.headers["consistency-token"] == f"{LOG_ID}.2-41"


async def test_head_answers_the_same_headers(client: ASGIConductor) -> None:
    answer = await client.simulate_head(PATH)

    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["etag"] == '"3"'
    assert answer.headers["consistency-token"] == f"{LOG_ID}.2-41"
    assert answer.headers["content-length"] == str(len(USER.to_json()))


async def test_an_id_in_upper_case_is_the_same(client: ASGIConductor) -> None:
    answer = await client.simulate_get(PATH.replace(USER.id, USER.id.upper()))

    assert answer.json["id"] == USER.id


@pytest.mark.parametrize("tags", ['"3"', '"1", "3"', 'W/"3"', "*", '"x","3"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_client_that_has_the_version_gets_no_body(client: ASGIConductor, tags: str, method: str) -> None:
    answer = await client.simulate_request(method, PATH, headers={"If-None-Match": tags})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == '"3"'
    assert answer.headers["consistency-token"] == f"{LOG_ID}.2-41"


@pytest.mark.parametrize("tags", ['"2"', '"33"', '"2", W/"4"', "", ","])
async def test_a_client_that_has_another_version_gets_the_document(client: ASGIConductor, tags: str) -> None:
    answer = await client.simulate_get(PATH, headers={"If-None-Match": tags})

    assert (answer.status_code, answer.content) == (200, USER.to_json())


@pytest.mark.parametrize("user_id", [make_user(8).id, "00000000-0000-0000-0000-000000000000"])
async def test_an_unknown_id_is_not_found(client: ASGIConductor, user_id: str) -> None:
    answer = await client.simulate_get(f"/users/{user_id}", headers={"If-None-Match": "*"})

    assert (answer.status_code, answer.json["type"]) == (404, "urn:user-directory:problem:user-not-found")


@pytest.mark.parametrize("erased", [False, True])
async def test_a_deleted_user_is_gone(client: ASGIConductor, directory: MemoryDirectory, erased: bool) -> None:
    directory.put(Gone(id=USER.id, version=4, erased=erased))

    answer = await client.simulate_get(PATH)

    assert (answer.status_code, answer.json["type"]) == (410, "urn:user-directory:problem:user-deleted")


@pytest.mark.parametrize("user_id", ["7", "%00", "a b", USER.id + "0"])
async def test_what_is_no_id_is_a_bad_request(client: ASGIConductor, directory: MemoryDirectory, user_id: str) -> None:
    answer = await client.simulate_get(f"/users/{user_id}")

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-parameter")
    assert answer.json["errors"][0]["pointer"] == "/id"
    assert directory.asked == 0


async def test_an_unknown_query_parameter_is_refused(client: ASGIConductor) -> None:
    answer = await client.simulate_get(PATH, query_string="fields=id")

    assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (400, "fields")


async def test_other_methods_are_refused(client: ASGIConductor) -> None:
    answer = await client.simulate_delete(PATH)

    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))


async def test_while_the_read_models_are_not_there_nothing_is_not_found(
    client: ASGIConductor, directory: MemoryDirectory
) -> None:
    directory.unavailable = "being filled"

    answer = await client.simulate_get(f"/users/{make_user(8).id}")

    assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_readiness_is_that_of_the_read_models(client: ASGIConductor, directory: MemoryDirectory) -> None:
    assert (await client.simulate_get("/readyz")).status_code == 200

    directory.unavailable = "being filled"

    answer = await client.simulate_get("/readyz")
    assert (answer.status_code, answer.json["checks"]) == (503, {"read-models": "being filled"})
    assert (await client.simulate_get("/healthz")).status_code == 200
