"""What the lines of a file say, and in the file's own words what is wrong with them."""

import pytest

from referrals.conversions.conversion_input import NORMALISED, NewConversion, content_hash
from referrals.conversions.import_reading import AmountMissing, NothingInFile, read_file
from referrals.conversions.touches import email_hash
from referrals.fraud.fraud_addresses import digest
from tests.referrals.conversions.files import MOMENT, lines


def test_lines_say_in_the_files_own_words_what_is_wrong_with_them() -> None:
    raw = lines(
        "A-1;2026-11-02;1;EUR;ana",
        f"A-1;{MOMENT};1;EUR;ana",
        f"A-2;{MOMENT};1.234,50;EUR;ana",
        f"A-3;{MOMENT};12;;ana",
        f"A-4;{MOMENT};12;EUR;",
        f"A-5;{MOMENT};-12;EUR;ana",
        f"A-6;{MOMENT};1e9;EUR;ana",
        f";{MOMENT};1;EUR;ana",
        f"A-7;{MOMENT};12;XXQ;ana",
        f"A-8;{MOMENT};12,345;KWD;ana",
    )
    read = read_file(raw, "conversions")
    assert [line.number for line in read] == list(range(2, 12))
    said = {line.number: line.problem for line in read}
    assert said[2].startswith("A moment is written with its zone")
    assert said[3] == "This is in the file twice: first on line 2."
    assert said[4] == said[8] == "An amount is written like 129.00 or 129,00, without thousands separators."
    assert said[5] == "An amount needs its currency, like EUR."
    assert "at least one of click, code, coupon and customer" in said[6].lower()
    assert said[7].startswith("amount: ")
    assert said[9].startswith("order: ")
    assert said[10] == "This currency is not known."
    assert (said[11], read[-1].said and read[-1].said["amount_minor"]) == ("", 12_345)


def test_refusals_name_columns_and_no_field_of_the_api() -> None:
    head = "order;at;kind;amount;currency;customer;tax;discount"
    raw = lines(
        f"A-1;{MOMENT};;10;EUR;c;11;",
        f"A-2;{MOMENT};;10;EUR;{'c' * 201};;",
        f"A-3;{MOMENT};sale;;;c;;",
        f"A-4;{MOMENT};;20000000000;EUR;c;;",
        f"A-5;{MOMENT};gift;10;EUR;c;;",
        head=head,
    )
    assert [line.problem for line in read_file(raw, "conversions")] == [
        "tax and shipping are parts of amount, and no more than it.",
        "customer: This has more than 200 characters.",
        "A sale needs amount and currency.",
        "amount: This sum is too large.",
        "kind: This has to be 'lead' or 'sale'.",
    ]
    head = "refund;order;at;amount;currency"
    raw = lines(f"R 1;A-1;{MOMENT};1;EUR", f"R-2;A 1;{MOMENT};0;EUR", head=head)
    form = "This does not have the form that is needed here."
    assert [line.problem for line in read_file(raw, "refunds")] == [
        f"refund: {form}",
        f"order: {form} amount: This has to be more than 0.",
    ]


def test_a_currency_without_its_amount_is_no_lead_unless_the_line_says_so() -> None:
    head = "order;at;kind;amount;currency;code"
    raw = lines(
        f"A-1;{MOMENT};;;EUR;ana",
        f"A-2;{MOMENT};sale;;EUR;ana",
        f"A-3;{MOMENT};;;;ana",
        f"A-4;{MOMENT};Lead;;EUR;ana",
        head=head,
    )
    *refused, bare, named = read_file(raw, "conversions")
    assert [line.problem for line in refused] == [AmountMissing().sentence] * 2
    for lead in (bare, named):
        assert lead.said is not None
        assert [lead.said[name] for name in ("kind", "amount_minor", "currency")] == ["lead", None, None]


def test_of_an_e_mail_address_only_its_hash_is_kept() -> None:
    (line,) = read_file(lines(f"A-1;{MOMENT};Mia@Example.org", head="order;at;email"), "conversions")
    assert line.said is not None
    assert line.said["customer"] == {"external_id": None, "email_sha256": email_hash("mia@example.org")}
    assert "Mia" not in str(line)


def test_of_an_e_mail_address_its_one_form_is_told_too_so_that_an_own_purchase_is_seen() -> None:
    (line,) = read_file(lines(f"A-1;{MOMENT};M.ia+x7@Gmail.com", head="order;at;email"), "conversions")
    assert line.said is not None
    assert line.said["metadata"] == {NORMALISED: digest("mia@gmail.com")}
    body = {"external_id": "A-1", "kind": "lead", "occurred_at": MOMENT, "customer": {"external_id": "c"}}
    one = NewConversion.model_validate(body)
    other = NewConversion.model_validate({**body, "metadata": line.said["metadata"]})
    assert content_hash(one) == content_hash(other), "another door that does not know it tells the same order"


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(NothingInFile):
        read_file(lines(), "conversions")


def test_lines_without_a_number_are_told_that_and_not_that_they_are_twice() -> None:
    raw = b"order,at,amount,currency\n,2026-11-02T10:15:00Z,1.00,EUR\n,2026-11-02T10:15:00Z,2.00,EUR\n"
    one, two = read_file(raw, "conversions")
    assert one.problem == two.problem == "order: This is required."
