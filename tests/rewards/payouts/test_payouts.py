from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden, NotFound
from core.settings import Settings
from hub import actions
from hub.programmes import get_programme
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.ledger import ledger, proof
from rewards.payouts import payout_preview, payouts
from rewards.payouts.payout_decisions import PayoutNotFound
from rewards.payouts.runs import Payout, PayoutRun, PayoutSkip
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import approved, ready_account, ready_advocate, refund


@pytest.fixture
def ana(cast: Cast) -> Membership:
    return ready_advocate(cast.programme)


def next_month() -> datetime:
    return (now().replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=1)


def made_run() -> tuple[list[Payout], list[PayoutSkip]]:
    with transaction():
        return list(session().exec(select(Payout).order_by(col(Payout.id))).all()), list(
            session().exec(select(PayoutSkip)).all()
        )


def clean() -> Sequence[str]:
    with transaction():
        return proof.problems()


def test_a_closed_period_pays_what_was_approved_in_it_once(cast: Cast, ana: Membership) -> None:
    first, second = approved(ana, cast.manager), approved(ana, cast.manager, 5_000)
    with at(next_month()):
        assert payouts.prepare() == 2  # one per programme
        assert payouts.prepare() == 0
    (payout,), skips = made_run()
    assert (payout.amount_minor, payout.currency, payout.lines, payout.state) == (1_790, "EUR", 2, "reserved")
    assert skips == []
    with transaction():
        assert {grants.get_reward(each).payout_id for each in (first, second)} == {payout.id}
        assert ledger.balance(ledger.reserved(ana.id), "EUR") == 1_790
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 0
    assert clean() == []


def test_what_was_approved_after_the_period_waits_for_the_next(cast: Cast, ana: Membership) -> None:
    closing = next_month()
    with at(closing):
        approved(ana, cast.manager)
        payouts.prepare()
    assert made_run() == ([], [])


def test_after_two_missed_months_one_run_pays_everything(cast: Cast, ana: Membership) -> None:
    approved(ana, cast.manager)
    with at(next_month() + timedelta(days=62)):
        payouts.prepare()
    (payout,), _ = made_run()
    assert payout.amount_minor == 1_290


def test_each_currency_is_paid_by_itself(cast: Cast, ana: Membership) -> None:
    approved(ana, cast.manager)
    approved(ana, cast.manager, 1_234, "JPY", cast.finance)
    approved(ana, cast.manager, 123_456, "KWD", cast.finance)
    with at(next_month()):
        payouts.prepare()
    paid, _ = made_run()
    assert {each.currency: each.amount_minor for each in paid} == {"EUR": 1_290, "JPY": 123, "KWD": 12_340}
    assert clean() == []


def test_what_a_currency_cannot_pay_out_is_carried_to_the_next_run(cast: Cast, ana: Membership) -> None:
    approved(ana, cast.manager, 123_456, "KWD", cast.finance)  # 12.346: the last figure of a KWD payout is 0
    with at(next_month()):
        payouts.prepare()
        approved(ana, cast.manager, 40, "KWD", cast.finance)
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
    paid, _ = made_run()
    assert sorted(each.amount_minor for each in paid) == [10, 12_340]
    assert clean() == []


def test_below_the_minimum_is_carried_and_said(cast: Cast, ana: Membership) -> None:
    with transaction():
        get_programme(cast.programme.id).payout_minimum_minor = 2_000
    approved(ana, cast.manager)
    with at(next_month()):
        payouts.prepare()
    paid, (skip,) = made_run()
    assert (paid, skip.reason) == ([], "below_minimum")
    assert skip.sentence == "Below the minimum of €20.00: carried over."
    approved(ana, cast.manager)
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
    (payout,), _ = made_run()
    assert payout.amount_minor == 2_580
    assert clean() == []


def test_a_negative_balance_is_offset_by_the_next_rewards(cast: Cast, ana: Membership) -> None:
    first = approved(ana, cast.manager)
    with at(next_month()):
        payouts.prepare()
        with transaction():
            conversion = session().get_one(Conversion, grants.get_reward(first).conversion_id)
            grants.reverse_for_refund(refund(conversion, 12_900).id)
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
        _, (skip,) = made_run()
        assert (skip.reason, skip.amount_minor) == ("negative", -1_290)
        approved(ana, cast.manager, 20_000)
    with at(next_month() + timedelta(days=64)):
        payouts.prepare()
    paid, _ = made_run()
    assert sorted(each.amount_minor for each in paid) == [710, 1_290]
    assert clean() == []


def test_without_a_payout_account_the_money_waits(cast: Cast, ana: Membership) -> None:
    with transaction():
        ben = make_advocate(cast.programme, "Ben Bee")
    approved(ben, cast.manager)
    with at(next_month()):
        payouts.prepare()
    _, (skip,) = made_run()
    assert (skip.membership_id, skip.reason) == (ben.id, "no_account")
    with transaction():
        assert ledger.balance(ledger.payable(ben.id), "EUR") == 1_290
        ready_account(ben)
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
    (payout,), _ = made_run()
    assert payout.membership_id == ben.id


def test_finance_can_pay_by_hand_and_others_cannot(cast: Cast, ana: Membership) -> None:
    approved(ana, cast.manager)
    for person, refusal in (
        (cast.stranger, NotFound),
        (cast.other_manager, NotFound),
        (cast.manager, Forbidden),
    ):
        with pytest.raises(refusal), transaction():
            payouts.run_now(cast.programme, by=acting(person))
    with transaction():
        assert [each.skip for each in payout_preview.preview(cast.programme).rows] == [None]
        made = payouts.run_now(cast.programme, by=acting(cast.finance))
        assert isinstance(made, PayoutRun)
        assert made.made_by == cast.finance.id
        assert payouts.run_now(cast.programme, by=acting(cast.finance)) is None
        assert actions.waiting_for(acting(cast.finance)).items == []
    (payout,), _ = made_run()
    assert payout.amount_minor == 1_290


def test_two_clocks_make_one_run(cast: Cast, ana: Membership, settings: Settings) -> None:
    import threading

    approved(ana, cast.manager)
    when, made = next_month(), []

    def clock() -> None:
        with at(when):
            made.append(payouts.prepare())

    threads = [threading.Thread(target=clock) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(made) == 2
    assert len(made_run()[0]) == 1
    assert clean() == []


def test_a_programme_whose_run_fails_stops_no_other_and_the_job_says_so(
    cast: Cast, ana: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(ana, cast.manager)
    step = payouts._begin_due  # noqa: SLF001 - what fails is the step itself

    def fails_elsewhere(programme_id: str) -> bool:
        if programme_id != cast.programme.id:
            raise PayoutNotFound
        return step(programme_id)

    monkeypatch.setattr(payouts, "_begin_due", fails_elsewhere)
    with at(next_month()), pytest.raises(PayoutNotFound):
        payouts.prepare()
    (payout,), _ = made_run()
    assert payout.amount_minor == 1_290


def test_a_preview_shows_its_first_rows_and_sums_everything(
    cast: Cast, ana: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        ben = make_advocate(cast.programme, "Ben Bee")
    approved(ana, cast.manager)
    approved(ben, cast.manager, 5_000)
    monkeypatch.setattr(payout_preview, "SHOWN", 1)
    with transaction():
        found = payout_preview.preview(cast.programme)
    assert (len(found.rows), found.count) == (1, 2)
    assert [each.format() for each in found.totals] == ["€17.90"]
