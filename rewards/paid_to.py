"""Where somebody is paid, whoever carries it: an account at Stripe, or a bank account of theirs."""

from core.settings import settings
from rewards import accounts, bank_accounts
from rewards.accounts import Standing


def standing_of(person_id: str) -> Standing:
    """Whether a payout would arrive; a bank account that was given is ready."""
    if settings().pays_by_bank:
        return "ready" if bank_accounts.account_of(person_id) else "none"
    return accounts.standing(accounts.account_of(person_id))
