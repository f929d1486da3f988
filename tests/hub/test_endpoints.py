"""Webhook endpoints: secrets shown once and kept sealed, signatures as any library checks them, rotation with overlap."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlmodel import col, select
from standardwebhooks import Webhook, WebhookVerificationError

from core.access import COMMAND
from core.addresses import WrongAddress
from core.audit import AuditEntry
from core.clock import at, now
from core.db import session, transaction
from core.errors import Conflict
from core.settings import Settings, configure
from hub import endpoints
from hub.endpoints import EndpointNotFound, StillOverlaps, TooManyEndpoints, get_endpoint, wants
from tests.at_once import while_open
from tests.factories import Cast, acting
from tests.hub.webhook_stories import make_endpoint, the_endpoint

URL = "https://hooks.example/in"
BODY = '{"type":"ping","data":{"name":"Zoë"}}'


def headers(made_id: str, body: str = BODY) -> dict[str, str]:
    with transaction(read_only=True):
        return endpoints.signed(get_endpoint(made_id), "msg_1", body)


def fits(secret: str, given: dict[str, str], body: str = BODY) -> bool:
    try:
        Webhook(secret).verify(body, given)
    except WebhookVerificationError:
        return False
    return True


def test_message_is_signed_as_the_library_of_every_receiver_checks_it(cast: Cast) -> None:
    made = make_endpoint(cast.north, URL, by=cast.manager)
    given = headers(made.id)
    assert set(given) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert fits(made.secret, given)
    assert not fits(endpoints.new_secret(), given)
    assert not fits(made.secret, given, body=BODY.replace("Zoë", "Zoe"))
    assert not fits(made.secret, given | {"webhook-id": "msg_2"})
    assert not fits(made.secret, given | {"webhook-timestamp": str(int(given["webhook-timestamp"]) + 1)})


def test_signature_has_the_worlds_time_also_when_ours_has_travelled(cast: Cast) -> None:
    made = make_endpoint(cast.north, URL, by=cast.manager)
    with at(now() + timedelta(days=3)):
        assert fits(made.secret, headers(made.id))


def test_secret_is_long_and_random_and_not_in_the_database(cast: Cast) -> None:
    made, other = (make_endpoint(cast.north, URL, by=cast.manager) for _ in range(2))
    assert made.secret != other.secret
    assert made.secret.startswith("whsec_")
    assert len(made.secret) == len("whsec_") + 44
    with transaction(read_only=True):
        stored = session().execute(text("SELECT * FROM webhook_endpoint")).all()
        logged = session().execute(text("SELECT details FROM audit_entry")).all()
    assert made.secret[6:] not in str(stored) + str(logged)


def test_during_a_rotation_both_secrets_sign_for_24_hours(cast: Cast) -> None:
    made = make_endpoint(cast.north, URL, by=cast.manager)
    with transaction():
        newer = endpoints.rotate(get_endpoint(made.id), by=acting(cast.manager))
    both = headers(made.id)
    assert [fits(made.secret, both), fits(newer, both)] == [True, True]
    assert len(both["webhook-signature"].split(" ")) == 2
    with pytest.raises(StillOverlaps), transaction():
        endpoints.rotate(get_endpoint(made.id), by=acting(cast.manager))
    with at(now() + timedelta(hours=24, seconds=1)):
        after = headers(made.id)
    assert [fits(made.secret, after), fits(newer, after)] == [False, True]


def test_of_two_rotations_at_once_the_second_is_refused_and_the_secret_that_was_shown_signs(
    cast: Cast,
) -> None:
    made, shown = make_endpoint(cast.north, URL, by=cast.manager), []

    def rotate() -> None:
        with transaction():
            shown.append(endpoints.rotate(get_endpoint(made.id), by=acting(cast.manager)))

    def rotate_openly() -> None:
        shown.append(endpoints.rotate(get_endpoint(made.id), by=acting(cast.manager)))

    assert isinstance(while_open(rotate_openly, rotate), Conflict)
    assert len(shown) == 1
    given = headers(made.id)
    assert [fits(each, given) for each in (made.secret, *shown)] == [True, True]


def test_secret_that_leaked_can_be_ended_at_once(cast: Cast) -> None:
    made = make_endpoint(cast.north, URL, by=cast.manager)
    with transaction():
        newer = endpoints.rotate(get_endpoint(made.id), by=acting(cast.manager))
        endpoints.end_overlap(get_endpoint(made.id), by=acting(cast.manager))
    given = headers(made.id)
    assert [fits(made.secret, given), fits(newer, given)] == [False, True]


def test_secrets_move_to_the_newest_key_and_a_missing_one_is_found_by_check(
    cast: Cast, settings: Settings
) -> None:
    made = make_endpoint(cast.north, URL, by=cast.manager)
    with transaction():
        newer = endpoints.rotate(get_endpoint(made.id), by=acting(cast.manager))
    configure(settings.model_copy(update={"encryption_keys": "n" * 40}))
    with transaction():
        assert [endpoints.reseal(), endpoints.unopenable()] == [1, []]
        assert endpoints.reseal() == 0
    configure(settings.model_copy(update={"encryption_keys": "n" * 40, "secret_key": "another " * 8}))
    assert [fits(each, headers(made.id)) for each in (made.secret, newer)] == [True, True]
    configure(settings.model_copy(update={"secret_key": "another " * 8}))
    with transaction(read_only=True):
        assert endpoints.unopenable() == [
            f"the secret of webhook endpoint {made.id} cannot be opened by any key"
        ]


def test_a_secret_that_is_made_while_others_move_to_the_newest_key_stays(
    cast: Cast, settings: Settings
) -> None:
    made, shown = make_endpoint(cast.north, URL, by=cast.manager), []
    configure(settings.model_copy(update={"encryption_keys": "n" * 40}))

    def rotate() -> None:
        shown.append(endpoints.rotate(get_endpoint(made.id), by=acting(cast.manager)))

    def reseal() -> None:
        with transaction():
            endpoints.reseal()

    assert while_open(rotate, reseal) is None
    given = headers(made.id)
    assert [fits(each, given) for each in (made.secret, *shown)] == [True, True]


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "https://user@hooks.example/", "ftp://hooks.example/", ""]
)
def test_address_that_leads_nowhere_good_is_refused(cast: Cast, url: str) -> None:
    with pytest.raises(WrongAddress):
        make_endpoint(cast.north, url, by=cast.manager)
    made = make_endpoint(cast.north, URL, by=cast.manager)
    with pytest.raises(WrongAddress), transaction():
        endpoints.change(get_endpoint(made.id), url, ["*"], by=acting(cast.manager), description="")
    assert the_endpoint(made).url == URL


def test_a_unit_has_at_most_twenty(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST_PER_UNIT", 2)
    first, _second = (make_endpoint(cast.north, URL, by=cast.manager) for _ in range(2))
    with pytest.raises(TooManyEndpoints):
        make_endpoint(cast.north, URL, by=cast.manager)
    make_endpoint(cast.south, URL, by=cast.other_manager)
    with transaction():
        endpoints.remove(get_endpoint(first.id), by=acting(cast.manager))
    make_endpoint(cast.north, URL, by=cast.manager)
    with pytest.raises(EndpointNotFound), transaction(read_only=True):
        get_endpoint(first.id)


def test_every_act_is_on_the_audit_log(cast: Cast) -> None:
    made, by = make_endpoint(cast.north, URL, by=cast.manager), COMMAND
    with transaction():
        endpoint = get_endpoint(made.id)
        endpoints.change(endpoint, URL + "/2", ["reward.*"], by=by, description="")
        endpoints.rotate(endpoint, by=by)
        endpoints.end_overlap(endpoint, by=by)
        endpoints.disable(endpoint, "It was old.", by=by)
        endpoints.enable(endpoint, by=by)
        endpoints.remove(endpoint, by=by)
    with transaction(read_only=True):
        logged = session().exec(
            select(AuditEntry).where(AuditEntry.object_id == made.id).order_by(col(AuditEntry.seq))
        )
        acts = {each.action: each.details for each in logged}
    assert list(acts) == [
        f"webhook.{act}" for act in ("created", "changed", "secret_rotated", "old_secret_ended", "disabled", "enabled")
    ]  # fmt: skip  # removing is disabling, for good
    assert acts["webhook.changed"] == {"url": [URL, URL + "/2"], "types": [["*"], ["reward.*"]]}


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        (["*"], True), (["conversion.*"], True), (["conversion.recorded"], True), (["conversion.refunded"], False),
        (["reward.*", "conversion"], False), ([], False), (["conversion.recorded", "reward.*"], True),
    ],
)  # fmt: skip
def test_types_are_names_families_or_everything(types: list[str], *, wanted: bool) -> None:
    assert wants(types, "conversion.recorded") is wanted
