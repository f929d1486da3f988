"""Files of conversions as shops write them."""

MOMENT = "2026-11-02T10:15:00Z"
HEAD = "order;at;amount;currency;code"


def lines(*rows: str, head: str = HEAD) -> bytes:
    return ("\ufeff" + "\r\n".join([head, *rows]) + "\r\n").encode()
