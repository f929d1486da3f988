"""When this happens, do that: the whole programme on a page. Each reaction runs in the transaction of its event."""

from advocates.applications import ApplicationAccepted
from advocates.membership import find_membership
from core.events import when
from curriculum import certification, enrolment
from curriculum.certification import CertificationAwarded
from curriculum.releases import newest_release
from hub import metrics
from hub.policies import PolicyAcknowledged
from hub.programmes import ProgrammeChanged, get_programme
from referrals import clicks, conversions, links
from referrals.conversions import ConversionsWon
from referrals.refunds import RefundRecorded
from rewards import grants


def accepted_advocates_learn(event: ApplicationAccepted) -> None:
    """Whoever becomes an advocate is enrolled in what their programme requires, as soon as it is published."""
    slug = get_programme(event.programme_id).certification_slug
    if newest_release(slug) is not None:
        enrolment.enrol(event.membership_id, event.person_id, slug)


def certified_advocates_are_rewarded(event: CertificationAwarded) -> None:
    """A certification earns what the programme's rules say."""
    grants.grant_for_certification(event.award_id, event.membership_id)


def certified_advocates_get_a_link(event: CertificationAwarded) -> None:
    """The last thing that was missing may have been the certification."""
    links.open_first_link(event.membership_id)


def consenting_advocates_get_a_link(event: PolicyAcknowledged) -> None:
    """Or the policy."""
    member = find_membership(event.person_id, event.programme_id)
    if member is not None:
        links.open_first_link(member.id)


def conversions_are_rewarded(event: ConversionsWon) -> None:
    """Leads and sales that somebody won earn what the rules say."""
    grants.grant_for_conversions(event.won)


def refunds_take_back(event: RefundRecorded) -> None:
    """What a sale earned goes back with the money, pro rata."""
    grants.reverse_for_refund(event.refund_id)


def links_follow_their_programme(event: ProgrammeChanged) -> None:
    """What a programme says of its links reaches the click path."""
    links.programme_changed(event.programme_id)


def wire() -> None:
    """Register every reaction, and where the facts of every metric are; doing it twice changes nothing."""
    when(ApplicationAccepted, accepted_advocates_learn)
    when(CertificationAwarded, certified_advocates_are_rewarded)
    when(CertificationAwarded, certified_advocates_get_a_link)
    when(PolicyAcknowledged, consenting_advocates_get_a_link)
    when(ConversionsWon, conversions_are_rewarded)
    when(RefundRecorded, refunds_take_back)
    when(ProgrammeChanged, links_follow_their_programme)
    metrics.metric_from("clicks", clicks.facts)
    metrics.metric_from("leads", conversions.facts_leads)
    metrics.metric_from("sales", conversions.facts_sales)
    metrics.metric_from("revenue", conversions.facts_revenue)
    metrics.metric_from("points", grants.facts_points)
    metrics.metric_from("certifications", certification.facts)
