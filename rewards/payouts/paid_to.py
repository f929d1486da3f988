"""Where somebody is paid, whoever carries it: an account at Stripe, a bank account of theirs, or nowhere, in kind."""

from advocates.membership import Membership
from core.settings import settings
from rewards.payouts import accounts, bank_accounts
from rewards.payouts.accounts import Standing
from rewards.perks.perks import paying_perk


def standing_of(member: Membership) -> Standing:
    """Whether a payout would arrive; a bank account that was given is ready, and so is everybody who is paid in kind."""
    person_id = member.person_id
    if paying_perk(member.programme_id) is not None:
        return "ready"
    if settings().pays_by_bank:
        return "ready" if bank_accounts.account_of(person_id) else "none"
    return accounts.standing(accounts.account_of(person_id))
