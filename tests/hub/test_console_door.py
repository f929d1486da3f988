"""The staff's doors of the hub: what waits, units and roles, programmes, policies, keys."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import col, select

from core import api_keys, db
from core.api_keys import ApiKey, WrongKey
from core.audit import AuditEntry
from core.clock import day_number, now
from core.outbox import OutboxMessage
from core.people import Person, find_person
from hub import actions, metrics, policies
from hub.metrics import Gain
from hub.programmes import Programme, get_programme
from hub.roles import RoleGrant, current_roles
from hub.units import Unit, find_unit
from tests.factories import PASSWORD, Cast, acting, make_advocate, sign_in


def acts(action: str) -> list[AuditEntry]:
    with db.transaction(read_only=True):
        return list(
            db.session()
            .exec(select(AuditEntry).where(AuditEntry.action == action).order_by(col(AuditEntry.seq)))
            .all()
        )


def roles_of(person: Person) -> set[tuple[str, str]]:
    with db.transaction(read_only=True):
        return {(each.role, each.unit_id) for each in current_roles(person.id)}


def ask(kind: str, subject: str, unit: Unit, *, days: float = 3) -> None:
    with db.transaction():
        due = actions.due_in(days)
        actions.ask(kind, subject, unit.id, right=kind, summary=f"Please see to {subject}", due_at=due)


class TestTodo:
    def test_strangers_and_advocates_have_no_console(self, app: Flask, cast: Cast) -> None:
        with db.transaction():
            make_advocate(cast.programme)
            advocate = find_person("ana.advocate@example.org")
        assert advocate is not None
        assert app.test_client().get("/console").location == "/login?next=/console"
        for person in (cast.stranger, advocate):
            assert sign_in(app.test_client(), person).get("/console").status_code == 403

    def test_each_sees_what_waits_in_their_units_and_for_their_role(self, app: Flask, cast: Cast) -> None:
        ask("application.review", "an-applicant", cast.north)
        ask("reward.approve", "a-reward", cast.south)
        pages = {
            person.name: sign_in(app.test_client(), person).get("/console").text
            for person in (cast.manager, cast.other_manager, cast.marketing, cast.hub_admin)
        }
        assert "an-applicant" in pages["Mara North"]
        assert "a-reward" not in pages["Mara North"]
        assert "a-reward" in pages["Otto South"]
        assert "All done" in pages["Marc Etting"]
        assert "2 things wait" in pages["Hanna Admin"]

    def test_list_is_filtered_by_kind_and_says_what_is_overdue(self, client: FlaskClient, cast: Cast) -> None:
        ask("application.review", "late-one", cast.north, days=-1)
        ask("reward.approve", "a-reward", cast.north)
        sign_in(client, cast.manager)
        page = client.get("/console").text
        assert page.index("late-one") < page.index("a-reward")
        assert page.count(">overdue<") == 1
        only = client.get("/console?kind=reward.approve").text
        assert "a-reward" in only
        assert "late-one" not in only
        assert "Nothing of this kind" in client.get("/console?kind=something").text

    def test_what_is_done_is_gone(self, client: FlaskClient, cast: Cast) -> None:
        ask("application.review", "an-applicant", cast.north)
        with db.transaction():
            actions.done("application.review", "an-applicant", by=acting(cast.manager))
        assert "All done" in sign_in(client, cast.manager).get("/console").text

    def test_figures_of_other_units_are_not_in_the_chart(self, client: FlaskClient, cast: Cast) -> None:
        with db.transaction():
            member = make_advocate(cast.programme)
            metrics.add([Gain("clicks", member.id, cast.north.id, day_number(now()), 4321)])
        assert "4,321" in sign_in(client, cast.manager).get("/console").text
        assert "4,321" not in sign_in(client, cast.other_manager).get("/console").text


class TestUnits:
    def test_each_sees_their_branch(self, app: Flask, cast: Cast) -> None:
        whole = sign_in(app.test_client(), cast.hub_admin).get("/console/units").text
        assert whole.index("Hub") < whole.index("North") < whole.index("South")
        branch = sign_in(app.test_client(), cast.manager).get("/console/units").text
        assert "Mara North" in branch
        assert "Otto South" not in branch
        assert "Add a unit" not in branch

    def test_page_of_another_unit_is_not_there(self, app: Flask, cast: Cast) -> None:
        page = f"/console/units/{cast.north.id}"
        assert sign_in(app.test_client(), cast.manager).get(page).status_code == 200
        assert sign_in(app.test_client(), cast.other_manager).get(page).status_code == 404
        assert sign_in(app.test_client(), cast.stranger).get(page).status_code == 403
        assert app.test_client().get(page).status_code == 302

    def test_hub_admin_adds_a_spoke_and_nobody_else_does(self, app: Flask, cast: Cast) -> None:
        wanted = {"name": "East", "slug": "east", "parent_id": cast.hub.id}
        for person in (cast.manager, cast.other_manager, cast.finance, cast.stranger):
            browser = sign_in(app.test_client(), person)
            assert browser.post("/console/units", data=wanted).status_code == 403
        admin = sign_in(app.test_client(), cast.hub_admin)
        assert admin.post("/console/units", data=wanted).status_code == 303
        assert admin.post("/console/units", data=wanted).status_code == 409
        assert admin.post("/console/units", data=wanted | {"slug": "No Slug"}).status_code == 422
        assert admin.post("/console/units", data=wanted | {"slug": "w", "id": "x"}).status_code == 422
        assert (
            admin.post("/console/units", data=wanted | {"slug": "west", "parent_id": "x"}).status_code == 404
        )
        with db.transaction(read_only=True):
            east = find_unit("east")
        assert east is not None
        assert east.parent_id == cast.hub.id

    def test_role_is_given_with_an_invitation_to_who_has_no_account(
        self, client: FlaskClient, cast: Cast
    ) -> None:
        sign_in(client, cast.hub_admin)
        data = {"email": "new.one@example.org", "name": "New One", "role": "reviewer"}
        assert client.post(f"/console/units/{cast.north.id}", data=data).status_code == 303
        with db.transaction(read_only=True):
            person = find_person("new.one@example.org")
            mail = db.session().exec(select(OutboxMessage)).one()
        assert person is not None
        assert roles_of(person) == {("reviewer", cast.north.id)}
        assert mail.recipient == "new.one@example.org"
        address = re.search(r"/welcome/\S+", mail.content["text"])
        assert address is not None
        assert address.group() in mail.content["html"]
        assert client.post(address.group(), data={"password": PASSWORD}).location == "/console"

    def test_role_for_somebody_with_an_account_sends_nothing_and_counts_once(
        self, client: FlaskClient, cast: Cast
    ) -> None:
        sign_in(client, cast.hub_admin)
        data = {"email": cast.stranger.email, "name": "Whatever", "role": "finance"}
        for _ in range(2):
            assert client.post(f"/console/units/{cast.south.id}", data=data).status_code == 303
        assert roles_of(cast.stranger) == {("finance", cast.south.id)}
        with db.transaction(read_only=True):
            assert db.session().exec(select(OutboxMessage)).first() is None

    def test_nobody_gives_roles_but_the_hub_admin(self, app: Flask, cast: Cast) -> None:
        data = {"email": cast.stranger.email, "name": "S", "role": "manager"}
        for person in (cast.manager, cast.finance, cast.stranger):
            browser = sign_in(app.test_client(), person)
            assert browser.post(f"/console/units/{cast.north.id}", data=data).status_code == 403
        assert roles_of(cast.stranger) == set()

    @pytest.mark.parametrize("role", ["hub_admin", "emperor", ""])
    def test_a_role_that_does_not_fit_is_refused_with_a_sentence(
        self, client: FlaskClient, cast: Cast, role: str
    ) -> None:
        sign_in(client, cast.hub_admin)
        data = {"email": cast.stranger.email, "name": "S", "role": role}
        answer = client.post(f"/console/units/{cast.north.id}", data=data)
        assert answer.status_code == 422
        assert cast.stranger.email in answer.text  # what was typed is still there
        assert roles_of(cast.stranger) == set()

    @pytest.mark.parametrize("email", ["nobody", "a@b@c.example", "two words@example.org"])
    def test_a_role_goes_to_an_address_that_mail_can_reach(
        self, client: FlaskClient, cast: Cast, email: str
    ) -> None:
        sign_in(client, cast.hub_admin)
        data = {"email": email, "name": "S", "role": "manager"}
        answer = client.post(f"/console/units/{cast.north.id}", data=data)
        assert answer.status_code == 422
        assert "This is not an e-mail address." in answer.text

    def test_a_role_ends_at_once_and_stays_on_record(self, app: Flask, cast: Cast) -> None:
        with db.transaction(read_only=True):
            held = db.session().exec(select(RoleGrant).where(RoleGrant.person_id == cast.manager.id)).one()
        end = f"/console/units/{cast.north.id}/roles/{held.id}/end"
        manager = sign_in(app.test_client(), cast.manager)
        assert manager.post(end).status_code == 403
        admin = sign_in(app.test_client(), cast.hub_admin)
        wrong_unit = f"/console/units/{cast.south.id}/roles/{held.id}/end"
        assert admin.post(wrong_unit).status_code == 404
        assert admin.post(end).status_code == 303
        assert manager.get("/console").status_code == 403
        assert len(acts("role.ended")) == 1

    def test_nobody_ends_their_own_role(self, client: FlaskClient, cast: Cast) -> None:
        with db.transaction(read_only=True):
            held = db.session().exec(select(RoleGrant).where(RoleGrant.person_id == cast.hub_admin.id)).one()
        end = f"/console/units/{cast.hub.id}/roles/{held.id}/end"
        assert sign_in(client, cast.hub_admin).post(end).status_code == 403
        assert roles_of(cast.hub_admin) == {("hub_admin", cast.hub.id)}


CHANGE = {
    "name": "Makers' Circle",
    "summary": "For makers.",
    "home_url": "https://shop.example/start",
    "allowed_hosts": "shop.example\nSHOP2.example",
    "hold_days": "14",
    "attribution_days": "30",
    "payout_minimum": "25.50",
    "four_eyes_above": "1000",
    "decide_within_days": "7",
    "open_to_applications": "True",
}


class TestProgrammes:
    def page(self, programme: Programme) -> str:
        return f"/console/settings/programmes/{programme.id}"

    def stored(self, programme: Programme) -> Programme:
        with db.transaction(read_only=True):
            return get_programme(programme.id)

    def test_settings_list_the_programmes_of_ones_units(self, app: Flask, cast: Cast) -> None:
        mine = sign_in(app.test_client(), cast.manager).get("/console/settings").text
        assert "Makers" in mine
        assert "Gardeners" not in mine
        assert "Keys of machines" not in mine
        assert "/console/jobs" not in mine
        whole = sign_in(app.test_client(), cast.hub_admin).get("/console/settings").text
        assert "Gardeners" in whole
        assert "/console/jobs" in whole
        assert sign_in(app.test_client(), cast.stranger).get("/console/settings").status_code == 403

    def test_programme_is_seen_in_its_unit_and_changed_by_its_managers(self, app: Flask, cast: Cast) -> None:
        page = self.page(cast.programme)
        answers = {
            person.name: (browser.get(page).status_code, browser.post(page, data=CHANGE).status_code)
            for person in (cast.other_manager, cast.stranger, cast.marketing, cast.finance, cast.manager)
            for browser in [sign_in(app.test_client(), person)]
        }
        assert answers == {
            "Otto South": (404, 404),
            "Stran Ger": (403, 403),
            "Marc Etting": (200, 403),
            "Fina Ledger": (200, 403),
            "Mara North": (200, 303),
        }
        assert len(acts("programme.changed")) == 1

    def test_sums_are_typed_in_the_main_unit_and_kept_in_the_smallest(
        self, client: FlaskClient, cast: Cast
    ) -> None:
        data = CHANGE | {"four_eyes_above": "500"}
        sign_in(client, cast.hub_admin).post(self.page(cast.programme), data=data)
        changed = self.stored(cast.programme)
        assert (changed.payout_minimum_minor, changed.four_eyes_above_minor) == (2_550, 50_000)
        assert changed.allowed_hosts == ["shop.example", "shop2.example"]
        assert 'value="25.50"' in client.get(self.page(cast.programme)).text

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("payout_minimum", "0.001"),
            ("payout_minimum", "NaN"),
            ("payout_minimum", "-1"),
            ("payout_minimum", "1e400"),
            ("four_eyes_above", "1" * 40),
            ("hold_days", "-1"),
            ("hold_days", "1" * 5_000),
            ("attribution_days", "0"),
            ("home_url", "https://elsewhere.example/"),
            ("home_url", "javascript:alert(1)"),
            ("allowed_hosts", ""),
            ("allowed_hosts", "shop.example *"),
            ("name", ""),
            ("currency", "USD"),
            ("unit_id", "another"),
            ("compensation", "cash"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_changes(
        self, client: FlaskClient, cast: Cast, field: str, value: str
    ) -> None:
        sign_in(client, cast.manager)
        answer = client.post(self.page(cast.programme), data=CHANGE | {field: value})
        assert answer.status_code == 422
        assert "Makers&#39; Circle" in answer.text or field == "name"
        assert self.stored(cast.programme) == cast.programme

    def test_who_approves_rewards_does_not_move_the_sum_of_four_eyes(self, app: Flask, cast: Cast) -> None:
        page = self.page(cast.programme)
        manager = sign_in(app.test_client(), cast.manager)
        for sum_ in ("1000.01", "999", "5000"):
            answer = manager.post(page, data=CHANGE | {"four_eyes_above": sum_})
            assert answer.status_code == 403
            assert "Only finance or a hub admin" in answer.text
            assert manager.post(f"{page}/four-eyes", data={"four_eyes_above": sum_}).status_code == 403
        assert self.stored(cast.programme) == cast.programme
        assert 'name="four_eyes_above"' not in manager.get(page).text
        left_out = {name: value for name, value in CHANGE.items() if name != "four_eyes_above"}
        assert manager.post(page, data=left_out).status_code == 303
        assert self.stored(cast.programme).four_eyes_above_minor == 100_000

    def test_when_a_payout_waits_for_a_tax_form_is_left_to_finance(self, app: Flask, cast: Cast) -> None:
        page = self.page(cast.programme)
        manager, finance = (sign_in(app.test_client(), each) for each in (cast.manager, cast.finance))
        answer = manager.post(page, data=CHANGE | {"tax_forms": "always"})
        assert (answer.status_code, "Only finance or a hub admin" in answer.text) == (403, True)
        assert manager.post(page, data=CHANGE | {"tax_forms": "never"}).status_code == 303  # as it is
        assert 'name="tax_forms"' not in manager.get(page).text
        wanted = {"four_eyes_above": "1000", "tax_forms": "always"}
        assert finance.post(f"{page}/four-eyes", data=wanted).status_code == 303
        assert manager.post(page, data=CHANGE | {"tax_forms": "never"}).status_code == 403
        assert manager.post(page, data=CHANGE).status_code == 303
        assert self.stored(cast.programme).tax_forms == "always"
        assert 'value="always" selected' in finance.get(f"{page}/four-eyes").text

    def test_what_somebody_else_saved_meanwhile_is_not_undone_by_an_old_page(
        self, app: Flask, cast: Cast
    ) -> None:
        page = f"{self.page(cast.programme)}/four-eyes"
        finance = sign_in(app.test_client(), cast.finance)
        (seen,) = re.findall(r'name="seen" value="(\w+)"', finance.get(page).text)
        gate = {"four_eyes_above": "1000", "tax_forms": "threshold", "seen": seen}
        assert finance.post(page, data=gate).status_code == 303
        late = finance.post(page, data={"four_eyes_above": "600", "tax_forms": "never", "seen": seen})
        assert (late.status_code, "Please look at them again" in late.text) == (409, True)
        admin = sign_in(app.test_client(), cast.hub_admin)
        late = admin.post(self.page(cast.programme), data=CHANGE | {"tax_forms": "never", "seen": seen})
        assert late.status_code == 409
        stored = self.stored(cast.programme)
        assert (stored.tax_forms, stored.four_eyes_above_minor) == ("threshold", 100_000)

    def test_finance_and_hub_admins_move_the_sum_of_four_eyes(self, app: Flask, cast: Cast) -> None:
        page = f"{self.page(cast.programme)}/four-eyes"
        answers = {
            person.name: app_client.post(page, data={"four_eyes_above": "50"}).status_code
            for person in (cast.stranger, cast.other_manager, cast.marketing, cast.hub_admin, cast.finance)
            for app_client in [sign_in(app.test_client(), person)]
        }
        assert answers == {
            "Stran Ger": 403,
            "Otto South": 404,
            "Marc Etting": 403,
            "Hanna Admin": 303,
            "Fina Ledger": 303,
        }
        finance = sign_in(app.test_client(), cast.finance)
        assert f'href="{page}"' in finance.get(self.page(cast.programme)).text
        assert 'value="50.00"' in finance.get(page).text
        refused = finance.post(page, data={"four_eyes_above": "0.001"})
        assert refused.status_code == 422
        assert "more decimals than its currency" in refused.text
        assert self.stored(cast.programme).four_eyes_above_minor == 5_000

    def test_unticking_closes_the_programme_to_applications(self, client: FlaskClient, cast: Cast) -> None:
        closed = {name: value for name, value in CHANGE.items() if name != "open_to_applications"}
        sign_in(client, cast.manager).post(self.page(cast.programme), data=closed)
        assert not self.stored(cast.programme).open_to_applications
        assert "Makers" not in client.get("/").text

    def test_policy_is_published_and_its_next_version_starts_from_it(self, app: Flask, cast: Cast) -> None:
        page = f"{self.page(cast.programme)}/policy"
        data = {
            "title": "How we disclose",
            "slug": "disclosure",
            "text": "Say it *first*.",
            "material": "True",
        }
        other = sign_in(app.test_client(), cast.other_manager)
        assert (other.get(page).status_code, other.post(page, data=data).status_code) == (404, 404)
        marketing = sign_in(app.test_client(), cast.marketing)
        assert (marketing.get(page).status_code, marketing.post(page, data=data).status_code) == (403, 403)
        manager = sign_in(app.test_client(), cast.manager)
        assert "checked" in manager.get(page).text
        assert manager.post(page, data=data | {"text": ""}).status_code == 422
        assert manager.post(page, data=data).status_code == 303
        assert "Say it *first*." in manager.get(f"{page}?policy=disclosure").text
        assert manager.get(f"{page}?policy=unknown").status_code == 200
        assert manager.post(page, data=data | {"text": "Say it at once."}).status_code == 303
        with db.transaction(read_only=True):
            ((_policy, version),) = policies.required_versions(cast.programme.id, now())
        assert (version.number, version.text) == (2, "Say it at once.")


class TestKeys:
    def make(self, client: FlaskClient, unit: Unit, **more: object) -> str:
        data = {"name": "Shop", "unit_id": unit.id, "scopes": ["links:read", "conversions:write"], **more}
        answer = client.post("/console/settings", data=data)
        found = re.search(r"spk_[\w-]{40,}", answer.text)
        return found.group() if found else ""

    def keys(self) -> list[ApiKey]:
        with db.transaction(read_only=True):
            return list(db.session().exec(select(ApiKey).order_by(col(ApiKey.id))).all())

    def test_new_key_is_shown_once_and_works(self, client: FlaskClient, cast: Cast) -> None:
        secret = self.make(sign_in(client, cast.hub_admin), cast.north)
        assert secret
        assert secret not in client.get("/console/settings").text
        with db.transaction(read_only=True):
            row = api_keys.key_of(secret)
        assert (row.unit_id, row.scopes) == (cast.north.id, ["conversions:write", "links:read"])
        assert secret not in str(acts("api_key.created")[0].details)

    def test_page_with_the_key_is_never_stored(self, client: FlaskClient, cast: Cast) -> None:
        sign_in(client, cast.hub_admin)
        data = {"name": "Shop", "unit_id": cast.north.id, "scopes": "links:read"}
        assert client.post("/console/settings", data=data).headers["Cache-Control"] == "no-store"

    def test_keys_are_the_hub_admins_business(self, app: Flask, cast: Cast) -> None:
        for person in (cast.manager, cast.other_manager, cast.finance, cast.stranger):
            assert self.make(sign_in(app.test_client(), person), cast.north) == ""
        assert self.keys() == []

    @pytest.mark.parametrize(
        "wrong", [{"scopes": ["everything"]}, {"scopes": []}, {"name": ""}, {"unit_id": ""}, {"digest": "x"}]
    )
    def test_wrong_keys_are_refused(self, client: FlaskClient, cast: Cast, wrong: dict[str, object]) -> None:
        assert self.make(sign_in(client, cast.hub_admin), cast.north, **wrong) == ""
        assert self.keys() == []

    def test_revoked_key_ends_at_once(self, app: Flask, cast: Cast) -> None:
        admin = sign_in(app.test_client(), cast.hub_admin)
        secret = self.make(admin, cast.north)
        (row,) = self.keys()
        revoke = f"/console/settings/keys/{row.id}/revoke"
        assert sign_in(app.test_client(), cast.manager).post(revoke).status_code == 403
        assert admin.post(f"/console/settings/keys/{cast.hub.id}/revoke").status_code == 404
        assert admin.post(revoke).status_code == 303
        with db.transaction(read_only=True), pytest.raises(WrongKey):
            api_keys.key_of(secret)
        first = self.keys()[0].revoked_at
        admin.post(revoke)
        assert self.keys()[0].revoked_at == first
