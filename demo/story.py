"""Half a year in a minute: every day people apply, learn, share, buy, and the clock does what it does."""

import os
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import click
import requests
from sqlalchemy import update
from sqlmodel import col, select

from advocates import applications, tiers
from advocates.application_states import Application
from advocates.applications import NewApplication
from advocates.membership import Membership, State, change_standing, find_membership
from core import audit, invitations
from core.access import COMMAND, Actor
from core.api_keys import create_api_key, key_of
from core.audit import AuditEntry
from core.clock import at, now
from core.db import run, session, transaction
from core.errors import Conflict
from core.outbox import OutboxMessage
from core.people import Person, find_person
from core.settings import settings
from curriculum.certification import certified_at
from curriculum.enrolment import content_for, find_enrolment
from curriculum.retakes import AlreadyPassed, TooEarly
from demo import tax
from demo.learning import read_next, take_quiz
from demo.odd_cases import OddCases
from demo.paper import bring_the_stalls_sales
from demo.people import Somebody, everybody
from demo.setting import STAFF, build, demo_password_hash
from demo.sharing import share_more
from demo.visitors import Order, Visitors
from hub import endpoints
from hub.policies import acknowledge, unacknowledged
from hub.programmes import Programme
from hub.roles import key_actor
from referrals.clicks import clicks
from referrals.fraud import fraud_work
from referrals.links.links import links_of
from rewards.approvals import approvals, reviews
from rewards.approvals.approvals import Seen
from rewards.grants import open_after_hold
from rewards.payouts import accounts, payout_sender, payouts
from rewards.reward import Reward, content_hash
from rewards.statements.statement_documents import close_months
from rewards.stripe import stripe_accounts

DAYS, PEOPLE = 172, 68
UNDECIDED_FROM = 61
TAXED = 75
"""so many days before the end tax forms are given"""
FIRST_ODD = 30
"""so many days before the end, when those whom it happens to share their links"""
SEED = 2026
TOLD = "demo.told"
"""the last entry of the demo: without it, it was interrupted"""
EXAMPLE = "advocate@demo.example"
EXPERT, HALTING = 0.96, 0.45


def load(*, only_if_empty: bool) -> None:
    """Load the demo into an empty database and print the sign-ins; raises Conflict when there is anything yet."""
    if settings().production:
        raise Conflict("The demo is for development: production starts empty.")
    with transaction(read_only=True):
        empty = session().exec(select(Person.id)).first() is None
        ours = find_person(STAFF[0][0]) is not None
        whole = session().exec(select(AuditEntry.seq).where(AuditEntry.action == TOLD)).first() is not None
    if empty:
        click.echo("Loading the demo: half a year of a programme, told day by day …", err=True)
        Story().tell()
    elif ours and not whole:
        raise Conflict(
            "The demo was interrupted in its middle. Please remove the data folder and start again."
        )
    elif not only_if_empty:
        raise Conflict(
            "There is something in the database already; the demo is told from the beginning only."
        )
    if empty or ours:
        _print_sign_ins()


def _print_sign_ins() -> None:
    click.echo(f"\nSign in at {settings().address}/login with the password {settings().demo_password}")
    for email, name, role, unit in STAFF:
        click.echo(f"  {email:24} {name}, {role} of {unit}")
    click.echo(f"  {EXAMPLE:24} {everybody(1)[0].name}, an advocate\n")


def _write_secret(name: str, secret: str) -> None:
    """For the shop, in the data folder, for nobody else to read."""
    descriptor = os.open(settings().data_dir / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)


def _deliver_mails(before: datetime) -> None:
    """What was written in the story has arrived long ago: nobody waits behind half a year of statements."""
    with transaction():
        old = update(OutboxMessage).where(
            col(OutboxMessage.kind) == "mail",
            col(OutboxMessage.state) == "waiting",
            col(OutboxMessage.created_at) < before,
        )
        run(old.values(state="sent", sent_at=col(OutboxMessage.created_at), attempts=1))


class Story:
    """The demo as it happens; the same every time but for the dates."""

    def __init__(self) -> None:
        self._rng = random.Random(SEED)  # noqa: S311 - a story, not a secret
        # the last six o'clock there was: nothing of the story is still to come
        end = (datetime.now(UTC) - timedelta(hours=6)).replace(hour=6, minute=0, second=0, microsecond=0)
        self._start = end - timedelta(days=DAYS)
        self._orders: defaultdict[int, list[Order]] = defaultdict(list)
        self._people = everybody(PEOPLE)
        self._odd: OddCases | None = None
        self._codes: dict[int, list[str]] = {}
        """whoever is settled, with the codes of their links"""
        self._weight = {each.place: min(5.0, 0.3 * self._rng.paretovariate(1.1)) for each in self._people} | {
            0: 2.5
        }

    def tell(self) -> None:
        """From the first day to yesterday."""
        with at(self._start), transaction():
            self._setting = build()
            shop = self._shop_key()
        self._visitors = Visitors(self._rng, shop[0], shop[1], self._start + timedelta(days=DAYS))
        for day in range(DAYS):
            if (
                day == DAYS - 2
            ):  # the shop, which is not open before the demo is told, hears of the last two days
                self._tell_shop()
            self._day(day)
        self._visitors.path.close()
        clicks.ingest()
        _deliver_mails(self._start + timedelta(days=DAYS - 1))
        self._a_file_waits(self._start + timedelta(days=DAYS, hours=-2))
        with at(self._start + timedelta(days=DAYS, hours=-1)), transaction():
            self._some_leave()
            share_more(self._setting.makers, self._member(self._people[0]), by=self._setting.actor("manager"))
            audit.record(COMMAND, TOLD, "unit", self._setting.hub.id)

    def _a_file_waits(self, moment: datetime) -> None:
        makers = self._setting.makers
        with transaction(read_only=True):
            manager = self._setting.manager_of(makers)
        bring_the_stalls_sales(self._codes[0][0], makers, by=manager, moment=moment)

    def _shop_key(self) -> tuple[Actor, str]:
        hub = self._setting.hub
        scopes = ["conversions:write", "conversions:read", "links:read"]
        secret = create_api_key("The demo's shop", scopes, hub.id)
        _write_secret("shop-api-key", secret)
        return key_actor(key_of(secret)), hub.id

    def _tell_shop(self) -> None:
        """The shop is told by webhook; what told another system before is switched off."""
        north = self._setting.makers.unit_id
        with at(self._start + timedelta(days=DAYS - 2)), transaction():
            manager = self._setting.actor("manager")
            old, _ = endpoints.create(
                north,
                "https://erp.example/spokes",
                ["payout.*"],
                by=manager,
                description="The old bookkeeping",
            )
            endpoints.disable(old, "The bookkeeping has moved.", by=manager)
            address = f"http://127.0.0.1:{settings().shop_port}/webhooks/spokes"
            types = ["application.*", "certification.*", "conversion.*", "reward.*", "payout.*"]
            _, secret = endpoints.create(north, address, types, by=manager, description="The shop")
        _write_secret("shop-webhook-secret", secret)

    def _day(self, day: int) -> None:
        morning = self._start + timedelta(days=day)
        for who in self._people:
            self._live(who, day, morning)
        self._visits(day, morning + timedelta(hours=3))
        with at(morning + timedelta(hours=16)):
            clicks.ingest()
            self._look(day, morning + timedelta(hours=12))
            open_after_hold()
            if morning.weekday() == 0 and day < DAYS - 10:  # the last days' rewards still wait on the list
                self._approve()
            if payouts.prepare():
                payout_sender.send_due()
            close_months()
            if morning.weekday() == 0:
                tiers.settle()
            if day == DAYS - TAXED:
                self._give_tax_forms()

    def _give_tax_forms(self) -> None:
        with transaction():
            tax.say_who_issues(self._setting)
            tax.give_and_agree(self._member(self._people[0]), self._setting)
            tax.give(self._member(self._people[2]), self._setting)

    def _look(self, day: int, noon: datetime) -> None:
        """What the clock sees of fraud, on days with something odd, too."""
        if day == DAYS - FIRST_ODD:
            codes = [self._codes[place][0] for place in (0, 2, 4)]
            self._odd = OddCases(self._visitors, self._setting, codes)
        if self._odd is not None:
            self._odd.happen(DAYS - day, noon)
        fraud_work.assess_due()
        if reviews.reassess():
            fraud_work.assess_due()

    def _live(self, who: Somebody, day: int, morning: datetime) -> None:
        """What one person does on one day of their own."""
        age = day - self._first_day(who)
        if age < 0:
            return
        with at(morning + timedelta(minutes=who.place)):
            if age == 0:
                with transaction():
                    self._apply(who)
            elif age == 3:  # noqa: PLR2004 - decided within three days
                with transaction():
                    self._decide(who)
            elif who.place < UNDECIDED_FROM and age > 3 and who.place % 11 != 10:  # noqa: PLR2004 - some never open their invitation
                self._go_on(who, age)

    def _first_day(self, who: Somebody) -> int:
        if who.place < UNDECIDED_FROM:
            return who.place * 14 // 5
        return DAYS - 1 - (who.place - UNDECIDED_FROM)

    def _apply(self, who: Somebody) -> None:
        email = EXAMPLE if who.place == 0 else who.email
        told = NewApplication.model_validate(
            {
                "programme": who.programme,
                "name": who.name,
                "email": email,
                "why": who.why,
                "channels": who.channels,
                "age": True,
                "consent": True,
            }
        )
        applications.submit(told)

    def _decide(self, who: Somebody) -> None:
        application = self._application(who)
        by = self._setting.manager_of(self._programme(who))
        if who.place < UNDECIDED_FROM:
            applications.accept(application, by=by, reason="Welcome!")
        elif who.place == UNDECIDED_FROM:
            applications.ask_info(
                application, by=by, reason="Where do you talk about this? A link would help us."
            )
        elif who.place == UNDECIDED_FROM + 1:
            applications.waitlist(
                application, by=by, reason="We open the next group in spring and keep your place."
            )
        elif who.place == UNDECIDED_FROM + 2:
            applications.decline(application, by=by, reason="We look for people who already use the tools.")

    def _go_on(self, who: Somebody, age: int) -> None:
        if who.place in self._codes:
            if age % 7 == 0 and who.place % 5 != 4:  # noqa: PLR2004 - some never set up payouts
                self._set_up_payouts(who)
            return
        with transaction():
            member = self._member(who)
            if age == 4:  # noqa: PLR2004 - the day after
                self._open_account(member)
            elif not self._learn(who, member, age):
                self._settle_in(who, member)

    def _open_account(self, member: Membership) -> None:
        token = invitations.issue(member.person_id, "invitation")
        invitations.redeem(token, demo_password_hash())
        member.shown_by_name = self._rng.random() < 0.7  # noqa: PLR2004 - most agree
        session().add(member)

    def _learn(self, who: Somebody, member: Membership, age: int) -> bool:
        """One step of learning; False when there is nothing left to learn, or this person has stopped."""
        if certified_at(member.person_id, "certified-advocate", now()):
            return False
        if who.place % 17 == 5 and age > 6:  # noqa: PLR2004 - stops after two lessons
            return True
        enrolled = find_enrolment(member.id, "certified-advocate")
        if enrolled is None or read_next(enrolled):
            return True
        knows = HALTING if who.place % 13 == 7 and age < 40 else EXPERT  # noqa: PLR2004 - fails at first
        for module in content_for(enrolled).modules:
            try:
                take_quiz(enrolled, module.slug, self._rng, knows=knows)
            except (AlreadyPassed, TooEarly):  # passed already, or the pause before the next try is not over
                continue
        return True

    def _settle_in(self, who: Somebody, member: Membership) -> None:
        for _policy, version in unacknowledged(member.person_id, member.programme_id, now()):
            acknowledge(member.person_id, version.id)
        self._codes[who.place] = [link.code for link in links_of(member.id)]

    def _set_up_payouts(self, who: Somebody) -> None:
        with transaction(read_only=True):
            member = self._member(who)
            earned = (
                session()
                .exec(select(Reward.id).where(Reward.membership_id == member.id, Reward.kind == "earned"))
                .first()
            )
            known = accounts.account_of(member.person_id)
        if earned is None or known is not None or not settings().local_stripe:
            return
        with transaction():
            account = accounts.begin(member.person_id, "NL")
        made = stripe_accounts.create_account(
            account.id, country="NL", email=who.email, metadata={"person": member.person_id}
        )
        with transaction():
            accounts.connect(account.id, made)
        requests.post(
            f"{settings().stripe_base}/_sandbox/accounts/{made}/onboard", timeout=10
        ).raise_for_status()
        facts = stripe_accounts.read_account(made)
        with transaction():
            accounts.note_facts(facts)

    def _visits(self, day: int, from_then: datetime) -> None:
        self._visitors.path.links.refresh()
        for place, codes in self._codes.items():
            who = self._people[place]
            for code in codes:
                for _ in range(self._how_many(self._weight[place])):
                    moment = from_then + timedelta(seconds=self._rng.randrange(40_000))
                    order = self._visitors.visit(code, self._programme(who), moment)
                    if order is not None:
                        self._orders[day + self._rng.randrange(2, 20)].append(order)
        for order in self._orders.pop(day, []):
            self._visitors.bring_back(order, from_then)

    def _how_many(self, mean: float) -> int:
        return sum(self._rng.random() < mean / 6 for _ in range(6))

    def _approve(self) -> None:
        with transaction():
            waiting = session().exec(select(Reward).where(Reward.state == "approvable")).all()
            manager = self._setting.actor("manager")
            if len(waiting) > 5:  # noqa: PLR2004 - now and then one looks odd
                approvals.deny(waiting[0], by=manager, reason="The order was placed by a colleague.")
                waiting = waiting[1:]
            if waiting:
                approvals.approve([Seen(each.id, content_hash(each)) for each in waiting], by=manager)
        with transaction():
            second = [
                each
                for each in session().exec(select(Reward).where(Reward.state == "approvable"))
                if approvals.waits_for_second(each)
            ]
            if second:
                finance = self._setting.actor("finance")
                approvals.approve([Seen(each.id, content_hash(each)) for each in second], by=finance)

    def _some_leave(self) -> None:
        self._leaves(8, "leave", "A new baby; back in spring.")
        self._leaves(13, "alumni", "Moved on, with thanks.")

    def _leaves(self, place: int, state: State, why: str) -> None:
        who = self._people[place]
        change_standing(
            self._member(who), state, by=self._setting.manager_of(self._programme(who)), reason=why
        )

    def _programme(self, who: Somebody) -> Programme:
        return self._setting.garden if who.programme == "garden-guides" else self._setting.makers

    def _person(self, who: Somebody) -> Person:
        person = find_person(EXAMPLE if who.place == 0 else who.email)
        if person is None:
            raise LookupError(who.email)
        return person

    def _member(self, who: Somebody) -> Membership:
        member = find_membership(self._person(who).id, self._programme(who).id)
        if member is None:
            raise LookupError(who.email)
        return member

    def _application(self, who: Somebody) -> Application:
        email = EXAMPLE if who.place == 0 else who.email
        return session().exec(select(Application).where(Application.email == email)).one()
