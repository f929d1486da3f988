"""Releases: frozen, numbered, the same content published once; from a folder and back."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.access import COMMAND
from core.db import session, transaction
from curriculum.enrolment import Enrolment
from curriculum.folder import BUILT_IN
from curriculum.imports import NotImported, export_folder, import_folder
from curriculum.releases import (
    NoSuchCertification,
    OtherUnits,
    Release,
    ReservedName,
    content_of,
    newest_release,
    publish,
)
from tests.at_once import at_once
from tests.curriculum.stories import SLUG, make_curriculum, make_enrolment, make_release
from tests.factories import Cast, make_advocate


def test_same_content_is_the_same_release(cast: Cast) -> None:
    with transaction():
        first = make_release(cast)
        assert make_release(cast).id == first.id
        second = make_release(cast, make_curriculum(title="Certified Friend"))
        assert (second.number, second.kind) == (2, "material")
        assert content_of(second).certification.title == "Certified Friend"
        third = make_release(cast)  # back to what it was: a release of its own
        assert (third.number, third.sha256) == (3, first.sha256)


def test_two_who_publish_the_same_at_once_make_one_release(cast: Cast) -> None:
    with transaction():
        make_release(cast)

    def publish_next() -> int:
        with transaction():
            return make_release(cast, make_curriculum(title="Next")).number

    assert at_once(publish_next, publish_next) == [2, 2]


def test_release_cannot_be_changed_or_deleted_by_anybody(cast: Cast) -> None:
    with transaction():
        made = make_release(cast)
    for statement in ("UPDATE certification_release SET number = 7", "DELETE FROM certification_release"):
        with pytest.raises(DBAPIError, match="never change"), transaction():
            session().execute(text(statement))
    with transaction(read_only=True):
        assert session().get_one(Release, made.id).number == 1


def test_learners_stay_on_their_release_unless_the_change_is_editorial(cast: Cast) -> None:
    with transaction():
        first = make_release(cast)
        enrolment = make_enrolment(make_advocate(cast.programme))
        make_release(cast, make_curriculum(title="Material"))
        assert session().get_one(Enrolment, enrolment.id).release_id == first.id
        newer = make_enrolment(make_advocate(cast.programme, "Nora New"))
        last = publish(make_curriculum(title="Editorial"), unit_id=cast.hub.id, by=COMMAND, kind="editorial")
        session().expire_all()
        assert session().get_one(Enrolment, newer.id).release_id == last.id
        assert session().get_one(Enrolment, enrolment.id).release_id == first.id


def test_enrolling_twice_even_at_once_is_one_enrolment(cast: Cast) -> None:
    with transaction():
        make_release(cast)
        member = make_advocate(cast.programme)

    def begin() -> str:
        with transaction():
            return make_enrolment(member).id

    assert len({str(each) for each in at_once(begin, begin, begin)}) == 1


def test_another_unit_cannot_take_the_short_name_and_quiz_is_no_lesson(cast: Cast) -> None:
    with transaction():
        make_release(cast)
        with pytest.raises(OtherUnits):
            publish(make_curriculum(), unit_id=cast.north.id, by=COMMAND)
        content = make_curriculum()
        lesson = content.modules[0].lessons[0].model_copy(update={"slug": "quiz"})
        module = content.modules[0].model_copy(update={"lessons": (lesson,)})
        with pytest.raises(ReservedName):
            make_release(cast, content.model_copy(update={"modules": (module,)}))


def test_built_in_folder_goes_in_and_comes_out_the_same(cast: Cast, tmp_path: Path) -> None:
    with transaction():
        dry = import_folder(BUILT_IN, COMMAND, dry_run=True)
        assert dry.release is None
        assert newest_release(SLUG) is None
        report = import_folder(BUILT_IN, COMMAND)
        assert report.release is not None
        assert report.lines()[-1].endswith("is release 1.")
        assert import_folder(BUILT_IN, COMMAND).lines()[-1].endswith("is release 1, as before.")
        written = export_folder(tmp_path / "out")
        for path in written:
            original = BUILT_IN / path.relative_to(tmp_path / "out")
            assert path.read_bytes() == original.read_bytes()
        with pytest.raises(NoSuchCertification):
            export_folder(tmp_path / "none", SLUG, number=9)


def test_folder_that_would_lose_something_is_refused_until_that_is_accepted(
    cast: Cast, tmp_path: Path
) -> None:
    with transaction():
        import_folder(BUILT_IN, COMMAND)
        folder = tmp_path / "out"
        export_folder(folder)
        broken = next(folder.glob("*/quiz.gift"))
        broken.write_text(broken.read_text("utf-8") + "\n\n::bad:: What? { =\n", "utf-8")
        with pytest.raises(NotImported) as refused:
            import_folder(folder, COMMAND)
        assert any("quiz.gift" in line for line in refused.value.details["report"])
        assert newest_release(SLUG).number == 1  # type: ignore[union-attr]  # it was imported above
        import_folder(folder, COMMAND, accept_losses=True)
    with transaction(), pytest.raises(NotImported):
        import_folder(tmp_path / "nowhere", COMMAND)
