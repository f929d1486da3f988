"""Advocates who may earn, in bulk: in term, in good standing, certified; rules that pay them; a key for their shop."""

from datetime import timedelta
from typing import Any

from sqlalchemy import insert
from sqlmodel import select

from advocates.membership import Membership, Standing, Term
from core import db
from core.access import COMMAND
from core.api_keys import create_api_key
from core.clock import day_number, now
from curriculum.certification import Award
from curriculum.enrolment import Enrolment
from curriculum.releases import publish
from hub.programmes import Programme
from rewards.rules.rules import Terms, change_rule
from tests.curriculum.stories import make_curriculum

CHUNK = 10_000


def able_to_earn() -> str:
    """Let every advocate of the installation earn money and points with each sale; the answer is a key of their unit."""
    with db.transaction():
        programme = db.session().exec(select(Programme)).one()
        long_ago = now() - timedelta(days=300)
        for terms in (Terms("percent", rate_basis_points=1_000),):
            change_rule(programme, "sale", terms, by=COMMAND, valid_from=long_ago)
        release = publish(make_curriculum(), unit_id=programme.unit_id, by=COMMAND)
        members = db.session().exec(select(Membership)).all()
        for start in range(0, len(members), CHUNK):
            _certify(members[start : start + CHUNK], programme, release)
        return create_api_key("a shop", ["conversions:write"], programme.unit_id)


def _certify(members: Any, programme: Programme, release: Any) -> None:  # noqa: ANN401 - rows
    begins, ends = now() - timedelta(days=200), now() + timedelta(days=200)
    terms = [Term(membership_id=each.id, starts_at=begins, ends_at=ends) for each in members]
    good = [Standing(membership_id=each.id, state="active", began_at=begins) for each in members]
    whose: Any = {
        "unit_id": programme.unit_id,
        "certification_id": release.certification_id,
        "release_id": release.id,
    }
    learned = [
        Enrolment(membership_id=each.id, person_id=each.person_id, completed_at=begins, **whose)
        for each in members
    ]
    printed: Any = dict.fromkeys(("name_as_printed", "title_as_printed", "programme_as_printed"), "Name")
    awards = [
        Award(
            enrolment_id=each.id,
            membership_id=each.membership_id,
            person_id=each.person_id,
            certification_slug=programme.certification_slug,
            release_number=release.number,
            release_sha256=release.sha256,
            verify_id=each.id,
            score="100",
            awarded_at=begins,
            day=day_number(begins),
            valid_from=begins,
            valid_until=ends,
            **whose,
            **printed,
        )
        for each in learned
    ]
    for table, rows in ((Term, terms), (Standing, good), (Enrolment, learned), (Award, awards)):
        db.session().execute(insert(table), [each.model_dump() for each in rows])
