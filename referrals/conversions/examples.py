"""What integrators may send, as the API's document shows it; a test sends each."""

A_SALE = {
    "external_id": "order-1042",
    "kind": "sale",
    "occurred_at": "2026-11-02T10:15:00Z",
    "code": "ana",
    "coupon": "ANA10",
    "amount_minor": 12_900,
    "currency": "EUR",
    "customer": {"external_id": "c-77"},
    "lines": [{"sku": "PRO", "amount_minor": 12_900}],
    "metadata": {"shop": "north"},
}
A_REFUND = {
    "external_id": "refund-7",
    "conversion_external_id": "order-1042",
    "amount_minor": 12_900,
    "reason": "sent back",
    "occurred_at": "2026-11-09T08:00:00Z",
}
A_REFUND_TAKEN_BACK = {"external_id": "refund-7"}
A_LINK = {
    "email": "ana@example.org",
    "code": "ana-autumn",
    "destination": "https://shop.example/autumn",
    "campaign": "autumn",
}
A_LINK_CHANGE = {"campaign": "winter", "coupon": "ANA-WINTER"}
