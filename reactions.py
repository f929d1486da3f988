"""When this happens, do that: the whole programme on a page. Each reaction runs in the transaction of its event."""

import announcements
from advocates.activities import ActivityAccepted, ActivityTakenBack
from advocates.applications import ApplicationAccepted
from advocates.membership import find_membership
from core.events import when
from curriculum import certification, enrolment
from curriculum.certification import CertificationAwarded
from curriculum.releases import newest_release
from hub import metrics
from hub.policies import PolicyAcknowledged
from hub.programmes import ProgrammeChanged, get_programme
from referrals.clicks import click_facts
from referrals.conversions import appeals, conversions, reassignment
from referrals.conversions.conversions import ConversionsWon
from referrals.conversions.reassignment import ConversionReassigned
from referrals.conversions.refunds import OrderWon, RefundCameBack, RefundRecorded
from referrals.fraud import fraud_evidence, fraud_work, review_mails
from referrals.fraud.fraud_cases import ReviewCleared, ReviewConfirmed, ReviewOpened, ReviewOverturned
from referrals.links import links
from rewards import grants
from rewards.approvals import reviews
from rewards.payouts import accounts, in_kind
from rewards.perks.perk_orders import PerksOfPayoutAnswered
from rewards.stripe import moved_sales, stripe_events
from rewards.taking_back import fallen, restorations, withdrawals


def accepted_advocates_learn(event: ApplicationAccepted) -> None:
    """Whoever becomes an advocate is enrolled in what their programme requires, as soon as it is published."""
    slug = get_programme(event.programme_id).certification_slug
    if newest_release(slug) is not None:
        enrolment.enrol(event.membership_id, event.person_id, slug)


def certified_advocates_are_rewarded(event: CertificationAwarded) -> None:
    """A certification earns what the programme's rules say."""
    grants.grant_for_certification(event.award_id, event.membership_id)


def accepted_activities_are_rewarded(event: ActivityAccepted) -> None:
    """What an advocate handed in was accepted, and earns what the rules say."""
    grants.grant_for_activity(event.activity_id)


def activities_taken_back_earn_nothing(event: ActivityTakenBack) -> None:
    """What an activity earned goes back with it."""
    withdrawals.take_back_of_activity(event.activity_id)


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
    """What a sale earned goes back with the money, pro rata; a milestone goes when it is not reached any more."""
    grants.reverse_for_refund(event.refund_id)
    fallen.take_back_fallen(event.conversion_id, why="a refund took away what was reached")


def refunds_that_come_back_restore(event: RefundCameBack) -> None:
    """What a refund took goes back to those who earned it when it failed, or its dispute was won late."""
    restorations.restore_for_refund(event.refund_id)
    fallen.give_again(event.conversion_id)


def refunds_that_shops_take_back_are_asked_for_at_stripe(event: RefundCameBack) -> None:
    """What a shop says never happened may have happened at Stripe."""
    stripe_events.ask_again(event.refund_id)


def payments_follow_their_order(event: OrderWon) -> None:
    """What Stripe tells of an order is of whoever won it, whichever shop told it."""
    moved_sales.follow(event.conversion_id, event.nobodys)


def refunds_are_a_late_signal(event: RefundRecorded) -> None:
    """What an advocate has not been paid for is looked at again."""
    fraud_work.look_again_at_refunded(event.conversion_id)


def perks_settle_their_payout(event: PerksOfPayoutAnswered) -> None:
    """What a payout is given in was sent, or cannot be, or came back."""
    if event.state == "sent":
        in_kind.sent(event.payout_id)
    elif event.state == "returned":
        in_kind.returned(event.payout_id, event.reason)
    else:
        in_kind.declined(event.payout_id, event.reason)


def reviews_hold_rewards(event: ReviewOpened) -> None:
    """Nothing of a conversion under review is paid."""
    reviews.hold(event.conversion_id)


def cleared_rewards_go_on(event: ReviewCleared) -> None:
    """What a review held goes on where it was."""
    reviews.let_go_on(event.conversion_id)


def confirmed_conversions_do_not_count(event: ReviewConfirmed) -> None:
    """They are nobody's from now on."""
    reassignment.take_away(event.case_id)


def overturned_conversions_go_back(event: ReviewOverturned) -> None:
    """They are whose they were."""
    reassignment.give_back(event.case_id)


def advocates_hear_of_a_confirmed_review(event: ReviewConfirmed) -> None:
    """With its reason, and that they can appeal."""
    review_mails.send_confirmed(event.case_id)


def advocates_hear_of_an_overturned_review(event: ReviewOverturned) -> None:
    """It was a mistake."""
    review_mails.send_overturned(event.case_id)


def rewards_follow_their_conversion(event: ConversionReassigned) -> None:
    """Whoever lost it loses the rewards, whoever has it now is granted them."""
    withdrawals.follow(event.reassignment_id)


def links_follow_their_programme(event: ProgrammeChanged) -> None:
    """What a programme says of its links reaches the click path."""
    links.programme_changed(event.programme_id)


def wire() -> None:
    """Register every reaction, and where the facts of every metric are; doing it twice changes nothing."""
    when(ApplicationAccepted, accepted_advocates_learn)
    when(CertificationAwarded, certified_advocates_are_rewarded)
    when(CertificationAwarded, certified_advocates_get_a_link)
    when(ActivityAccepted, accepted_activities_are_rewarded)
    when(ActivityTakenBack, activities_taken_back_earn_nothing)
    when(PolicyAcknowledged, consenting_advocates_get_a_link)
    when(ConversionsWon, conversions_are_rewarded)
    when(RefundRecorded, refunds_take_back)
    when(RefundCameBack, refunds_that_come_back_restore)
    when(RefundCameBack, refunds_that_shops_take_back_are_asked_for_at_stripe)
    when(OrderWon, payments_follow_their_order)
    when(RefundRecorded, refunds_are_a_late_signal)
    when(PerksOfPayoutAnswered, perks_settle_their_payout)
    when(ReviewOpened, reviews_hold_rewards)
    when(ReviewCleared, cleared_rewards_go_on)
    when(ReviewConfirmed, confirmed_conversions_do_not_count)
    when(ReviewConfirmed, advocates_hear_of_a_confirmed_review)
    when(ReviewOverturned, overturned_conversions_go_back)
    when(ReviewOverturned, advocates_hear_of_an_overturned_review)
    when(ConversionReassigned, rewards_follow_their_conversion)
    appeals.denials_from(reviews.was_denied, reviews.deniers)
    fraud_evidence.fingerprints_from(accounts.fingerprints_of)
    when(ProgrammeChanged, links_follow_their_programme)
    announcements.wire()
    metrics.metric_from("clicks", click_facts.facts)
    metrics.metric_from("leads", conversions.facts_leads)
    metrics.metric_from("sales", conversions.facts_sales)
    metrics.metric_from("revenue", conversions.facts_revenue)
    metrics.metric_from("points", grants.facts_points)
    metrics.metric_from("certifications", certification.facts)
