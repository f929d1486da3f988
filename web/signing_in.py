"""Who is there: flask-login over our session rows, and the two questions every view asks first."""

from dataclasses import dataclass, field

from flask import Flask, session
from flask_login import LoginManager, UserMixin, current_user

from advocates import membership
from advocates.membership import Membership
from core import signin
from core.access import Actor, authorize_anywhere
from core.db import in_transaction, transaction
from core.errors import Forbidden, NotSignedIn
from hub.roles import staff_actor


@dataclass(frozen=True)
class SignedIn(UserMixin):  # type: ignore[misc]  # flask-login ships no types
    """The person behind the request; `secret` is their session's."""

    secret: str
    actor: Actor
    email: str
    time_zone: str
    locale: str
    membership_ids: tuple[str, ...] = field(default=())

    def get_id(self) -> str:
        """What flask-login keeps in the signed cookie."""
        return self.secret

    @property
    def name(self) -> str:
        """What we call them."""
        return self.actor.name

    @property
    def is_staff(self) -> bool:
        """Whether the console has anything for them."""
        return bool(self.actor.rights)

    @property
    def is_advocate(self) -> bool:
        """Whether the portal has anything for them."""
        return bool(self.membership_ids)

    def may(self, action: str) -> bool:
        """Whether they may do `action` in some unit."""
        return self.actor.may(action)


def register_sign_in(app: Flask) -> None:
    """Let flask-login find people by session secret."""
    manager = LoginManager(app)
    manager.session_protection = None  # our rows end sessions; an address that changes (phones) must not
    manager.user_loader(_load)
    manager.unauthorized_handler(_refuse)


def _refuse() -> None:
    raise NotSignedIn


def _load(secret: str) -> SignedIn | None:
    if in_transaction():
        return find_signed_in(secret)
    with transaction(read_only=True):  # an error page asks after the request's transaction is gone
        return find_signed_in(secret)


def find_signed_in(secret: str) -> SignedIn | None:
    """Who holds this session secret, with their rights and memberships; None when it is no longer good."""
    person = signin.person_of(secret)
    if person is None:
        return None
    held = tuple(each.id for each in membership.memberships_of(person.id))
    return SignedIn(secret, staff_actor(person), person.email, person.time_zone, person.locale, held)


def me() -> SignedIn:
    """The signed-in person; raises NotSignedIn."""
    if not current_user.is_authenticated:
        raise NotSignedIn
    return current_user._get_current_object()  # type: ignore[no-any-return]  # noqa: SLF001 - flask-login's proxy


def staff(action: str) -> Actor:
    """The signed-in person as an actor who may do `action` somewhere; raises NotSignedIn, Forbidden."""
    actor = me().actor
    authorize_anywhere(actor, action)
    return actor


def advocate() -> Membership:
    """The membership that the signed-in person looks at; raises NotSignedIn, Forbidden when they have none."""
    ids = me().membership_ids
    if not ids:
        raise Forbidden("You are not an advocate in any programme yet.")
    chosen = session.get("membership")
    return membership.get_membership(chosen if chosen in ids else ids[0])
