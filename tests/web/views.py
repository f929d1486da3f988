"""Views for testing the ground: they write, refuse, fail and show forms."""

from flask import Blueprint, flash, jsonify, redirect, render_template_string, request
from flask.typing import ResponseReturnValue
from psycopg.errors import DeadlockDetected
from pydantic import StrictInt
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from core import db
from core.errors import Conflict, Forbidden, NotFound, TooManyAttempts
from core.inputs import Input, Line
from core.paging import Listing
from core.people import Person, register
from web.forms import Form, read_form, read_query
from web.json_in import read_json
from web.machines import machine, note_use
from web.requests import transacts_itself, writes_on_get
from web.signing_in import advocate, me, staff

door = Blueprint("small", __name__)
FORM = """<form method="post">{{ form.sentence or "first time" }}|{{ form.value("name") }}|{{ form.values("tags")|join("+") }}|
{{- form.error("name") or "-" }}|{{ form.error("age") or "-" }}|{{ people|join(",") }}</form>"""


class NewPerson(Input):
    """A person, typed into a form or sent as JSON."""

    name: Line
    age: int = 0
    tags: tuple[Line, ...] = ()
    amount_minor: StrictInt = 0


class Search(Input):
    """A query."""

    q: str = ""
    tags: tuple[str, ...] = ()


def names() -> list[str]:
    return sorted(db.session().exec(select(Person.name)).all())


@door.get("/person")
def form() -> str:
    return render_template_string(FORM, form=Form({"name": "known", "tags": ["a", "b"]}), people=names())


@door.post("/person")
def create() -> ResponseReturnValue:
    typed = read_form(NewPerson)
    register(f"{typed.name}@example.org", typed.name)
    if typed.age > 100:
        raise Conflict("Nobody is that old.")
    return redirect("/person", 303)


@door.post("/no-page/<what>")
def no_page(what: str) -> str:
    """Refuse without a page of the same address."""
    register(f"{what}@example.org", what)
    refusals = {
        "conflict": Conflict("Taken."),
        "forbidden": Forbidden(),
        "missing": NotFound(),
        "many": TooManyAttempts(retry_after_s=7),
    }
    if what in refusals:
        raise refusals[what]
    if what == "mistake":
        raise ZeroDivisionError
    if what == "busy":
        raise OperationalError("SELECT", {}, Exception("database is locked"))
    return "done"


tries: list[str] = []


@door.post("/deadlock/<what>")
def deadlock(what: str) -> str:
    """Broken off by the database as often as it says, having done this and that."""
    register(f"{what}@example.org", what)
    tries.append(what)
    if what == "flashes":
        flash("once")
    if what == "reads an upload":
        request.files["file"].read()
    if len(tries) <= request.args.get("times", 1, int):
        raise OperationalError("UPDATE", {}, DeadlockDetected())
    return "done"


@door.post("/deadlock/own")
@transacts_itself
def deadlock_of_its_own() -> str:
    """What may have called another server."""
    with db.transaction():
        return deadlock("own")


@door.post("/api/deadlock")
def deadlock_of_a_machine() -> str:
    machine("links:read")
    return deadlock("machine")


@door.get("/write")
def write() -> str:
    """A view that must not write, and tries."""
    register("sneaky@example.org", "sneaky")
    return "written"


@door.get("/export")
@writes_on_get
def export() -> str:
    register("export@example.org", "export")
    return "exported"


@door.post("/fails-at-commit")
def fails_at_commit() -> str:
    """What is refused only when the transaction commits."""
    db.session().execute(text("INSERT INTO late (person_id) VALUES ('nobody')"))
    return "saved"


@door.get("/own-steps")
@transacts_itself
def own_steps_page() -> str:
    with db.transaction(read_only=True):
        return render_template_string(FORM, form=Form(), people=names())


@door.post("/own-steps")
@transacts_itself
def own_steps() -> ResponseReturnValue:
    with db.transaction():
        register("first@example.org", "first")
    with db.transaction():
        register("second@example.org", "second")
        raise Conflict("The second step failed.")


@door.get("/search")
def search() -> ResponseReturnValue:
    return jsonify(read_query(Search).model_dump())


@door.get("/many")
def too_many_page() -> str:
    return render_template_string(FORM, form=Form(), people=[])


@door.post("/many")
def too_many() -> str:
    raise TooManyAttempts(retry_after_s=7)


@door.get("/whoami")
def whoami() -> str:
    return me().name


@door.get("/staff-only")
def staff_only() -> str:
    return staff("audit.see").name


@door.get("/advocates-only")
def advocates_only() -> str:
    return str(advocate().number)


@door.post("/api/person")
def api_create() -> ResponseReturnValue:
    sent = read_json(NewPerson)
    register(f"{sent.name}@example.org", sent.name)
    return jsonify(sent.model_dump()), 201


@door.get("/api/links")
def api_links() -> ResponseReturnValue:
    actor = machine("links:read")
    return jsonify(name=actor.name, limit=read_query(Listing).limit)


door.after_request(note_use)
