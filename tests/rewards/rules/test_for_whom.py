"""Rules for whom: what a tier, a country and a product earn, at the moment of what happened, frozen on the reward."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates import tiers
from advocates.membership import Membership
from advocates.tiers import Tier
from core.access import COMMAND
from core.clock import at, day_number, now
from core.db import session, transaction
from core.money import POINTS, Money
from core.reading import Reading
from hub.metrics import Gain, add
from referrals.conversions.won import Bought, won_of
from rewards import grants
from rewards.payouts.accounts import PayoutAccount
from rewards.reward import Reward
from rewards.rule_form import NewVersion
from rewards.rules import rules
from rewards.rules.arithmetic import Fact, reward_for
from rewards.rules.conditions import Conditions, ForWhom, ProductRate, Who, WrongConditions, read, written
from rewards.rules.rule_effect import effect_of
from rewards.rules.rules import ConditionsDoNotFit, Terms, Version, WrongTerms
from tests.factories import Cast, make_advocate, sign_in
from tests.queries import counted
from tests.rewards.stories import LONG_AGO, ready_account, sale
from tests.rewards.tax.forms import W8, accept, give

GOLD, DE = ForWhom("tier", "gold", "Gold", 1_500), ForWhom("country", "DE", "DE", 1_200)
SOLD = Bought(
    lines=[{"sku": "PRO-1", "amount_minor": 2_000, "quantity": 3}, {"sku": "BOOK", "amount_minor": 500}]
)
PROS = ProductRate("PRO-*", 0, 500)


def percent_of(conditions: Conditions, rate: int = 1_000) -> Version:
    return _version("percent", rate, Money(0, ""), conditions)


def flat_of(flat: Money, conditions: Conditions) -> Version:
    return _version("flat", 0, flat, conditions)


def _version(kind: rules.Kind, rate: int, flat: Money, conditions: Conditions) -> Version:
    return Version(
        "r", "p", "sale", "money", 4, kind, rate, flat.amount_minor, flat.currency, now(), None, conditions, "", 30,
        ZoneInfo("UTC"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("who", "expected", "says"),
    [
        (Who(), 1_000, "10 % of €100.00 = €10.00 (sale rule, version 4)"),
        (Who("silver", "FR"), 1_000, "10 % of €100.00 = €10.00 (sale rule, version 4)"),
        (Who("gold", "FR"), 1_500, "15 % of €100.00 = €15.00 (sale rule, version 4, for the tier Gold)"),
        (Who("", "DE"), 1_200, "12 % of €100.00 = €12.00 (sale rule, version 4, for advocates in DE)"),
        (Who("gold", "DE"), 1_500, "15 % of €100.00 = €15.00 (sale rule, version 4, for the tier Gold)"),
    ],
)
def test_the_first_that_fits_an_advocate_is_their_rate(who: Who, expected: int, says: str) -> None:
    rule = percent_of(Conditions(for_whom=(GOLD, DE)))
    computed = reward_for(Fact("sale", Money(10_000, "EUR")), rule, who)
    assert (computed.amount.amount_minor, computed.arithmetic) == (expected, says)
    assert computed.rate_basis_points == expected


def test_a_product_keeps_its_rate_whoever_sold_it() -> None:
    rule = percent_of(Conditions((ProductRate("BOOK", 100),), for_whom=(GOLD,)))
    computed = reward_for(Fact("sale", Money(2_500, "EUR"), SOLD), rule, Who("gold"))
    assert computed.arithmetic.startswith("15 % of €20.00 and 1 % of €5.00 for BOOK = €3.05 (")


@pytest.mark.parametrize(
    ("bought", "expected", "says"),
    [
        (SOLD, 1_700, "3 × €5.00 for PRO-* and €2.00 for each sale = €17.00"),
        (Bought(lines=SOLD.lines[:1]), 1_500, "3 × €5.00 for PRO-* = €15.00"),
        (Bought(lines=SOLD.lines[1:]), 200, "€2.00 for each sale"),
        (Bought(), 200, "€2.00 for each sale"),
    ],
)
def test_a_product_earns_a_sum_for_each_one_sold(bought: Bought, expected: int, says: str) -> None:
    rule = flat_of(Money(200, "EUR"), Conditions((PROS,)))
    computed = reward_for(Fact("sale", Money(2_500, "EUR"), bought), rule)
    assert computed.amount == Money(expected, "EUR")
    assert computed.arithmetic == f"{says} (sale rule, version 4)"


def test_a_tier_has_a_sum_of_its_own() -> None:
    rule = flat_of(Money(50, POINTS), Conditions(for_whom=(ForWhom("tier", "gold", "Gold", 75),)))
    computed = reward_for(Fact("sale"), rule, Who("gold"))
    assert computed.arithmetic == "75 points for each sale (sale rule, version 4, for the tier Gold)"


def test_it_is_said_and_what_was_written_is_read_again(cast: Cast) -> None:
    asked = Conditions((ProductRate("PRO-*", 2_000),), for_whom=(GOLD, DE))
    flat = Conditions((PROS,), for_whom=(ForWhom("country", "DE", "DE", 300),))
    assert [read(written(each)) for each in (asked, flat)] == [asked, flat]
    assert rules.words(Terms("percent", 1_000, conditions=asked), "sale", "") == (
        "10 % of each sale; 20 % for PRO-*; 15 % for the tier Gold; 12 % for advocates in DE"
    )
    assert rules.words(Terms("flat", flat=Money(200, "EUR"), conditions=flat), "sale", "") == (
        "€2.00 for each sale; €5.00 for each PRO-*; €3.00 for advocates in DE"
    )


@pytest.mark.parametrize(
    ("trigger", "terms", "refusal"),
    [
        ("sale", Terms("percent", 1_000, conditions=Conditions((PROS,))), ConditionsDoNotFit),
        ("sale", Terms("flat", flat=Money(1, "EUR"), conditions=Conditions((ProductRate("A", 5),))), ConditionsDoNotFit),
        ("certification", Terms("flat", flat=Money(1, "EUR"), conditions=Conditions((PROS,))), ConditionsDoNotFit),
        ("sale", Terms("percent", 1_000, conditions=Conditions(for_whom=(ForWhom("country", "DE", "DE", 10_001),))), ConditionsDoNotFit),
        ("sale", Terms("flat", flat=Money(0, "EUR"), conditions=Conditions(for_whom=(ForWhom("country", "DE", "DE", 0),))), WrongTerms),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_the_rule_are_refused(
    cast: Cast, trigger: rules.Trigger, terms: Terms, refusal: type[Exception]
) -> None:
    with transaction(), pytest.raises(refusal):
        rules.change_rule(cast.programme, trigger, terms, by=COMMAND)


def test_a_tier_is_named_once_and_nothing_is_negative() -> None:
    for wrong in ((GOLD, GOLD), (ForWhom("tier", "gold", "Gold", -1),)):
        with pytest.raises(WrongConditions):
            Conditions(for_whom=wrong)


@pytest.fixture
def gold(cast: Cast) -> Tier:
    """A tier from 100 points on, 15 % of its sales instead of 10 %, 12 % in Germany."""
    with transaction():
        made = tiers.define(cast.programme, "Gold", 1, 100, by=COMMAND, months=36)
        meant = (ForWhom("tier", made.id, "Gold", 1_500), DE)
        terms = Terms("percent", 1_000, conditions=Conditions(for_whom=meant))
        rules.change_rule(cast.programme, "sale", terms, by=COMMAND, valid_from=LONG_AGO)
    return made


def come_up(member: Membership) -> None:
    with transaction():
        add([Gain("points", member.id, member.unit_id, day_number(now()), 100)])
    tiers.settle()


def earned(member: Membership, when: datetime | None = None) -> Reward:
    with transaction():
        return grants.grant_for_conversion(sale(member, 10_000, when=when).id)[0]


def test_the_tier_of_the_moment_of_the_sale_counts(cast: Cast, gold: Tier) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
    before = now() - timedelta(hours=1)
    come_up(ana)
    assert (earned(ana).amount_minor, earned(ana, before).amount_minor) == (1_500, 1_000)
    with transaction():
        tiers.end(session().get_one(Tier, gold.id), cast.programme, by=COMMAND)
        kept = session().exec(select(Reward).order_by(col(Reward.id))).all()
    assert [each.rate_basis_points for each in kept] == [1_500, 1_000]  # what was earned stays as it is
    assert earned(ana, now() + timedelta(seconds=1)).amount_minor == 1_000


def test_the_country_is_the_payout_accounts_until_a_tax_form_is_accepted(cast: Cast, gold: Tier) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
        ready_account(ana)
        session().exec(select(PayoutAccount)).one().country = "DE"
    assert earned(ana).arithmetic.endswith("for advocates in DE)")
    form = give(ana, W8._replace(country="FR"))
    assert earned(ana).amount_minor == 1_200
    accept(form, cast.finance)
    assert earned(ana).amount_minor == 1_000


def test_a_batch_asks_once_for_everybody(cast: Cast, gold: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    readings, read_all = [], Reading.all

    def noted(self: Reading, **given: object) -> list[tuple[object, ...]]:
        readings.append(self)
        return read_all(self, **given)

    monkeypatch.setattr(Reading, "all", noted)
    with transaction():
        members = [make_advocate(cast.programme, f"Advocate {each}") for each in "ABCDEFGH"]
    asked = []
    for some in (members[:2], members[2:]):
        with transaction():
            won = won_of([sale(each, 10_000).id for each in some])
            readings.clear()
            with counted() as statements:
                grants.grant_for_conversions(won)
        asked.append((len(statements), len(readings)))
    assert asked[0] == asked[1]


def test_the_effect_of_a_new_version_knows_the_tier_of_last_month(cast: Cast) -> None:
    with at(datetime(2027, 3, 5, 12, tzinfo=UTC)):
        with transaction():
            made = tiers.define(cast.programme, "Gold", 1, 100, by=COMMAND)
            rules.change_rule(
                cast.programme, "sale", Terms("percent", 1_000), by=COMMAND, valid_from=LONG_AGO
            )
            ana, ben = (make_advocate(cast.programme, each) for each in ("Ana A", "Ben B"))
        come_up(ana)
        with transaction():
            for each in (ana, ben):
                sale(each, 10_000, when=now() + timedelta(hours=1))
    with at(datetime(2027, 4, 5, 12, tzinfo=UTC)), transaction(read_only=True):
        meant = (ForWhom("tier", made.id, "Gold", 1_500),)
        found = effect_of(
            cast.programme, "sale", Terms("percent", 1_000, conditions=Conditions(for_whom=meant))
        )
    assert [(each.before.amount_minor, each.after.amount_minor) for each in found.sums] == [(2_000, 2_500)]


def test_it_is_written_on_the_page(client: FlaskClient, cast: Cast, gold: Tier) -> None:
    sign_in(client, cast.manager)
    typed = {
        "programme_id": cast.programme.id, "trigger": "sale", "pays": "money", "value": "2", "products": "PRO-* 5\nBOOK 0.50",
        "tiers": "gold 3.00\n", "countries": "de 2.50",
    }  # fmt: skip
    shown = client.post("/console/rewards/rules", data=typed | {"act": "show"})
    says = "€2.00 for each sale; €5.00 for each PRO-*; €0.50 for each BOOK; €3.00 for the tier Gold; €2.50 for advocates in DE"
    assert says in shown.text
    begun = {"act": "begin", "seen": "1", "shown": NewVersion.model_validate(typed).as_shown}
    assert client.post("/console/rewards/rules", data=typed | begun).status_code == 303
    assert says in client.get("/console/rewards/rules").text
    for wrong, sentence in (
        ({"tiers": "Platinum 3"}, "no tier of that name"),
        ({"countries": "QQ 3"}, "not a country"),
        ({"countries": "DE"}, "Write a line for each"),
        ({"products": "PRO-* 5%"}, "Write a line for each"),
    ):
        refused = client.post("/console/rewards/rules", data=typed | wrong | {"act": "show"})
        assert (refused.status_code, sentence in refused.text) == (422, True)
