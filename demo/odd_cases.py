"""What looks odd in the demo, and how people decide: reviews cleared, confirmed and open, appeals answered and open."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlmodel import select

from advocates.membership import Membership, get_membership
from core.access import Actor
from core.clock import at
from core.db import session, transaction
from core.people import get_person
from demo.setting import Setting
from demo.visitors import Visitors
from hub.programmes import Programme, get_programme
from hub.roles import staff_actor
from referrals.conversions import appeals
from referrals.fraud import fraud_cases
from referrals.fraud.fraud_addresses import digest, normalised
from referrals.fraud.fraud_cases import FraudCase
from referrals.links.links import get_link

FAIR = "She sold these at her market stall that morning, from one till. We saw the photographs."
OWN = "this order was placed with your own account"
HERS = "The customer wrote to us that it was she who recommended it."


class OddCases:
    """A few days on which something odd happens; `codes` are of three advocates of the makers' programme."""

    def __init__(self, visitors: Visitors, setting: Setting, codes: list[str]) -> None:
        self._visitors, self._setting = visitors, setting
        self._first, self._second, self._third = codes
        self._days: dict[int, Callable[[datetime], None]] = {
            26: self._market_stall,
            24: self._own_purchase,
            20: self._decide,
            16: self._argue_and_grant,
            3: self._colleague,
            2: self._argue,
        }

    def happen(self, days_left: int, noon: datetime) -> None:
        """What happens so many days before the end."""
        if days_left in self._days:
            self._days[days_left](noon)

    def _market_stall(self, noon: datetime) -> None:
        """Eight sales within an hour from one device, which turn out to be in order."""
        for minute in range(0, 40, 5):
            moment, device = (
                noon + timedelta(minutes=minute),
                {"device_hash": "the-till", "email_domain": "mailinator.com"},
            )
            self._visitors.order(self._makers, moment, code=self._second, metadata=device)

    def _own_purchase(self, noon: datetime) -> None:
        """An advocate buys by their own code, with another way to write their address."""
        with transaction(read_only=True):
            email = get_person(self._member(self._third).person_id).email
        own = {"email_normalized_sha256": digest(normalised(email))}
        self._visitors.order(self._makers, noon, code=self._third, metadata=own)

    def _colleague(self, noon: datetime) -> None:
        """Somebody from marketing buys by an advocate's code: it waits for a review."""
        colleague = {"email_sha256": digest(self._setting.people["marketing"].email)}
        self._visitors.order(self._makers, noon, code=self._second, customer=colleague)

    def _decide(self, noon: datetime) -> None:
        with at(noon), transaction():
            for case in session().exec(select(FraudCase).where(FraudCase.state == "open")).all():
                by = self._setting.manager_of(get_programme(case.programme_id))
                if any(each["signal"] == "own_email" for each in case.signals):
                    fraud_cases.confirm(case, by=by, reason=OWN)
                else:
                    fraud_cases.clear(case, by=by, reason=FAIR)

    def _argue_and_grant(self, noon: datetime) -> None:
        appeal_id = self._appeal(
            self._second, self._third, noon, "She asked me at the workshop, and typed my code."
        )
        with at(noon + timedelta(hours=2)), transaction():
            asked = appeals.get_appeal(appeal_id)
            appeals.grant(asked, by=self._setting.actor("manager"), reason=HERS)

    def _argue(self, noon: datetime) -> None:
        words = "He told me that he bought it because of my post; the other click was by accident."
        self._appeal(self._first, self._second, noon, words)

    def _appeal(self, loser: str, winner: str, noon: datetime, words: str) -> str:
        """An order by a click on one link and with the code of another: the click wins, the other one asks."""
        token = self._visitors.click(winner, noon - timedelta(hours=1))
        order = self._visitors.order(self._makers, noon, click=token, code=loser)
        with at(noon + timedelta(hours=1)), transaction():
            member = self._member(loser)
            return appeals.appeal(member, order, words=words, by=self._acting(member)).id

    @property
    def _makers(self) -> Programme:
        return self._setting.makers

    def _member(self, code: str) -> Membership:
        return get_membership(get_link(code).membership_id)

    def _acting(self, member: Membership) -> Actor:
        return staff_actor(get_person(member.person_id))
