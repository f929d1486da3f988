"""What two of the makers' advocates give finance: a tax form that is accepted, with invoices in her name, and one that was returned and waits again."""

from datetime import date

from advocates.membership import Membership
from core.access import Actor
from core.people import get_person
from demo.setting import Setting
from hub.roles import staff_actor
from rewards.tax import self_billing, tax_forms
from rewards.tax.tax_forms import Details, TaxForm

VAT_ID = "NL200000007B02"
"""hers; as the one below an invented number that only its check digits know"""
HUB = {
    "name": "Tools & Trade Hub B.V.",
    "address": "Keizersgracht 100\n1015 AA Amsterdam",
    "country": "NL",
    "vat_id": "NL100000009B01",
    "prefix": "TT",
}
"""an invented house"""


def say_who_issues(setting: Setting) -> None:
    """The hub writes invoices for those who agree."""
    self_billing.set_issuer(setting.makers.unit_id, **HUB, by=setting.actor("finance"))


def give_and_agree(member: Membership, setting: Setting) -> None:
    """Her form is accepted at once, and the hub writes her invoices."""
    form = _give(member)
    tax_forms.accept(form, form.version, by=setting.actor("finance"))
    self_billing.agree(member, by=_herself(member))


def give(member: Membership, setting: Setting) -> None:
    """This one was returned once, and waits for finance again."""
    first = _give(member, "Werfstraat 12, Utrecht")
    wrong = "The postcode of your address is missing."
    tax_forms.give_back(first, first.version, by=setting.actor("finance"), reason=wrong)
    _give(member)


def _give(member: Membership, address: str = "Werfstraat 12\n3512 AB Utrecht") -> TaxForm:
    name = get_person(member.person_id).name
    typed = Details("dac7", name, address, "NL", "123456782", VAT_ID, date(1988, 5, 17))
    return tax_forms.give(member, tax_forms.checked(typed), by=_herself(member))


def _herself(member: Membership) -> Actor:
    return staff_actor(get_person(member.person_id))
