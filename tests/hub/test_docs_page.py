"""The API's document and its page: for everybody, kept by browsers, with everything that is in the document."""

from flask.testing import FlaskClient

from core.api_keys import API_SCOPES
from tests.factories import Cast, sign_in
from web.api_reference import reference_of


def test_the_document_is_anybodys_and_is_not_sent_twice(client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.get_json()["openapi"].startswith("3.1.")
    assert answer.get_json()["servers"] == [{"url": "http://127.0.0.1:8000"}]
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    again = client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_shows_every_operation_scope_and_model(client: FlaskClient) -> None:
    page = client.get("/docs").text
    document = client.get("/openapi.json").get_json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert f'id="{operation["operationId"]}"' in page
            assert f"<b>{method.upper()}</b> {path}" in page
    for name in document["components"]["schemas"]:
        assert f'id="model-{name}"' in page
    for scope in API_SCOPES:
        assert f"<code>{scope}</code>" in page
    for word in (
        "ConversionDiffers",
        "Idempotency-Key",
        "order-1042",
        "up to 300 characters",
        "one of lead, sale",
    ):
        assert word in page


def test_every_link_within_the_page_leads_somewhere(client: FlaskClient) -> None:
    page = client.get("/docs").text
    targets = {part.partition('"')[0] for part in page.split(' id="')[1:]}
    wanted = {part.partition('"')[0] for part in page.split('href="#')[1:]}
    assert wanted <= targets
    assert len(targets) == page.count(' id="'), "no id twice"


def test_the_page_is_reached_from_every_page_and_is_the_same_for_everybody(
    client: FlaskClient, cast: Cast
) -> None:
    assert 'href="/docs"' in client.get("/").text
    sign_in(client, cast.stranger)
    assert client.get("/docs").status_code == 200


def test_what_is_sent_is_shown_like_what_is_answered() -> None:
    said = {
        "summary": "Something happened.",
        "security": [],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sent"}}}},
        "responses": {"2XX": {"description": "Taken."}},
    }
    sent = {"properties": {"ids": {"type": "array", "items": {"type": "string"}}}, "required": ["ids"]}
    found = reference_of(
        {
            "info": {"description": "About."},
            "tags": [],
            "paths": {},
            "webhooks": {"thing.done": {"post": said}},
            "components": {
                "schemas": {"Sent": sent},
                "securitySchemes": {"key": {"description": "A key."}},
            },
        }
    )
    [webhook], [model] = found.webhooks, found.models
    assert (webhook.path, webhook.body, webhook.answers[0].meaning) == ("thing.done", "Sent", "Taken.")
    assert (model.fields[0].kind, model.fields[0].needed) == ("list of text", True)
