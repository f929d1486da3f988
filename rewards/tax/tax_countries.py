"""In which country somebody's payments are reported, as far as we know it."""

from core import sealed


def country_of(form: str | None, account: str | None, iban: str | None) -> str:
    """As the tax form says it, else where the account at Stripe is, else where the bank account is (its IBAN sealed).

    Empty when nobody knows. Raises CannotOpen.
    """
    return form or account or (sealed.unseal(iban)[:2] if iban else "")
