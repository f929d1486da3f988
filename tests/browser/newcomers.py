"""People whose pages stand at the beginning: one who waits, one who is welcome, one who has just come in and learns."""

import re

from tests.journeys.running import PASSWORD, Browser, Service

PROGRAMME = "makers-circle"


def letters_and_people(service: Service) -> tuple[dict[str, Browser], dict[str, list[str]]]:
    """Everybody signed in, by name, the likeliest to see a page first; and the addresses that only a mail or a form leads to."""
    manager = service.browser().sign_in("manager@demo.example")
    visitor = service.browser()
    thanks = apply(visitor, "waits@people.example", "Wilma Waits")
    accept(service, manager, "welcome@people.example", "Wendel Welcome")
    accept(service, manager, "newcomer@people.example", "Nina Newcomer")
    newcomer = service.browser()
    newcomer.submit(service.postbox.link("newcomer@people.example", "/welcome/"), {"password": PASSWORD})
    visitor.submit("/forgot", {"email": "reviewer@demo.example"})
    people = {
        "visitor": visitor,
        "newcomer": newcomer,
        "advocate": service.browser().sign_in("advocate@demo.example"),
        "hub": service.browser().sign_in("hub@demo.example"),
        "manager": manager,
        "finance": service.browser().sign_in("finance@demo.example"),
    }
    letters = {
        "visitor": [
            thanks,
            service.postbox.link("waits@people.example", "/apply/"),
            service.postbox.link("welcome@people.example", "/welcome/"),
            service.postbox.link("reviewer@demo.example", "/reset/"),
        ],
        "newcomer": [begun_quiz(newcomer)],
    }
    return people, letters


def apply(visitor: Browser, email: str, name: str) -> str:
    """Apply; the answer is the address where one lands."""
    words = {
        "name": name,
        "email": email,
        "why": "I mend what I own and like to show how.",
        "age": "yes",
        "consent": "yes",
    }
    return visitor.submit(f"/apply/{PROGRAMME}", words).url.path


def accept(service: Service, manager: Browser, email: str, name: str) -> None:
    """Apply and be accepted; the welcome mail stays unopened."""
    apply(service.browser(), email, name)
    page = re.search(
        r"/console/applications/[0-9a-z]{26}", manager.get(f"/console/applications?q={email}").text
    )
    assert page, f"the application of {email} is not on the list"
    manager.submit(page.group(), {"decision": "accept", "reason": "Welcome!"})


def begun_quiz(newcomer: Browser) -> str:
    """Read the first module and begin its quiz; the answer is the attempt's address."""
    outline = newcomer.get("/portal/learn").text
    lessons = list(dict.fromkeys(re.findall(r"/portal/learn/[a-z-]+/[a-z0-9-]+", outline)))
    for address in lessons:
        if address.endswith("/quiz"):
            return newcomer.submit(address, {}).url.path
        newcomer.submit(address, {})
    raise AssertionError("there is no quiz")
