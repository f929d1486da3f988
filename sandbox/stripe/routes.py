"""Every address of the API on one page."""

from sandbox.stripe import account_links, accounts, balance, events, payouts, reversals, transfers
from sandbox.stripe.call import View

ROUTES: tuple[tuple[str, str, View], ...] = (
    ("POST", "/v1/accounts", accounts.create),
    ("GET", "/v1/accounts", accounts.list_accounts),
    ("GET", "/v1/accounts/<account>", accounts.retrieve),
    ("POST", "/v1/accounts/<account>", accounts.update),
    ("DELETE", "/v1/accounts/<account>", accounts.delete),
    ("GET", "/v1/accounts/<account>/capabilities", accounts.list_capabilities),
    ("GET", "/v1/accounts/<account>/capabilities/<capability>", accounts.retrieve_capability),
    ("POST", "/v1/accounts/<account>/login_links", account_links.create_login),
    ("POST", "/v1/account_links", account_links.create),
    ("GET", "/v1/balance", balance.retrieve_balance),
    ("GET", "/v1/balance_transactions", balance.list_transactions),
    ("GET", "/v1/balance_transactions/<transaction>", balance.retrieve_transaction),
    ("POST", "/v1/transfers", transfers.create),
    ("GET", "/v1/transfers", transfers.list_transfers),
    ("GET", "/v1/transfers/<transfer>", transfers.retrieve),
    ("POST", "/v1/transfers/<transfer>", transfers.update),
    ("POST", "/v1/transfers/<transfer>/reversals", reversals.create),
    ("GET", "/v1/transfers/<transfer>/reversals", reversals.list_reversals),
    ("GET", "/v1/transfers/<transfer>/reversals/<reversal>", reversals.retrieve),
    ("POST", "/v1/payouts", payouts.create),
    ("GET", "/v1/payouts", payouts.list_payouts),
    ("GET", "/v1/payouts/<payout>", payouts.retrieve),
    ("GET", "/v1/events", events.list_events),
    ("GET", "/v1/events/<event>", events.retrieve),
)
