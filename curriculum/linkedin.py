"""The address that adds a certification to somebody's LinkedIn profile."""

from urllib.parse import urlencode

from curriculum.certification import Award


def add_to_profile(award: Award, address: str) -> str:
    """LinkedIn's "add to profile" form, filled in; nothing is sent before the person does so there."""
    facts = {
        "startTask": "CERTIFICATION_NAME",
        "name": award.title_as_printed,
        "organizationName": award.programme_as_printed,
        "issueYear": award.awarded_at.year,
        "issueMonth": award.awarded_at.month,
        "expirationYear": award.valid_until.year,
        "expirationMonth": award.valid_until.month,
        "certUrl": address,
        "certId": award.verify_id,
    }
    return f"https://www.linkedin.com/profile/add?{urlencode(facts)}"
