"""A folder read and written back is the same folder, and whatever was lost on the way is said."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curriculum.contents import Curriculum, Lesson, Module, curriculum_from, digest, manifest
from curriculum.folder import files_of, read_curriculum, write_curriculum
from curriculum.folder_files import FolderInUse
from curriculum.folder_reading import read_files

FILES = {
    "certification.toml": 'slug = "x"\ntitle = "X"\n[pass]\npercent = 79.5\nattempts = 3\ncooldown_hours = [0, 24]\n[quiz]\ndraw = 1\n',
    "01-first/module.toml": 'title = "First"\n',
    "01-first/01-begin.md": "---\ntitle: 'Begin: here'\nminutes: 4\n---\n\n## Hello\n\nText.\n",
    "01-first/quiz.gift": "// [id:a]\nIs it?{T}\n\n// [id:b]\nIs it not?{F}\n\n// [id:c]\nIs it at all?{T}\n",
    "05-last/module.toml": 'title = "Last"\ndraw = 2\n',
    "05-last/assignment.md": "Write it down.\n",
}


def encoded(**changes: str | None) -> dict[str, bytes]:
    """The files above; a change names its file by the stem, None removes it."""
    files: dict[str, str | None] = dict(FILES)
    for name, text in changes.items():
        files[next((each for each in files if Path(each).stem == name), name)] = text
    return {name: text.encode() for name, text in files.items() if text is not None}


def read(files: dict[str, bytes]) -> Curriculum:
    curriculum, problems = read_files(files)
    assert problems == []
    assert curriculum is not None
    return curriculum


def test_everything_in_the_folder_is_read() -> None:
    curriculum = read(encoded())
    assert str(curriculum.certification.pass_rules.percent) == "79.5"
    assert curriculum.certification.pass_rules.cooldown_hours == (0, 24)
    assert [(module.position, module.slug) for module in curriculum.modules] == [(1, "first"), (5, "last")]
    assert curriculum.modules[0].lessons[0].title == "Begin: here"
    assert curriculum.modules[0].lessons[0].text == "## Hello\n\nText."
    assert [question.id for question in curriculum.modules[0].quiz] == ["a", "b", "c"]
    assert curriculum.modules[1].assignment == "Write it down."
    assert [curriculum.draw_size(module) for module in curriculum.modules] == [1, 2]


def test_folder_survives_the_disk(tmp_path: Path) -> None:
    curriculum = read(encoded())
    written = write_curriculum(curriculum, tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix() for path in written} == set(FILES)
    assert read_curriculum(tmp_path / "out") == (curriculum, [])
    assert write_curriculum(curriculum, tmp_path / "out") == written


printable = st.characters(exclude_categories=("C", "Z")) | st.just(" ")
titles = st.text(printable, min_size=1, max_size=30).filter(lambda text: bool(text.strip()))
texts = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from("\n-:#"), max_size=60)
lessons = st.builds(
    Lesson,
    position=st.integers(1, 9),
    slug=st.sampled_from(["a", "b-c"]),
    title=titles,
    minutes=st.integers(1, 60),
    text=texts,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(lessons, max_size=3, unique_by=lambda lesson: lesson.slug), titles, texts, texts)
def test_any_curriculum_is_read_back_the_same(
    made: list[Lesson], title: str, description: str, task: str
) -> None:
    ordered = tuple(sorted(made, key=lambda lesson: (lesson.position, lesson.slug)))
    module = Module(
        position=2, slug="m", title=title, description=description, lessons=ordered, assignment=task
    )
    whole = Curriculum.model_validate(
        {"certification": {"slug": "x", "title": title, "description": description}, "modules": [module]}
    )
    files = {name: text.encode() for name, text in files_of(whole).items()}
    assert read(files) == whole
    assert files_of(read(files)) == files_of(whole)


def test_manifest_tells_everything_and_its_hash_changes_with_anything() -> None:
    curriculum = read(encoded())
    assert curriculum_from(manifest(curriculum)) == curriculum
    assert digest(manifest(curriculum)) == digest(manifest(read(encoded())))
    other = read(encoded(quiz=FILES["01-first/quiz.gift"].replace("{F}", "{T}")))
    assert digest(manifest(other)) != digest(manifest(curriculum))
    assert digest({"b": 1, "a": "é"}) == digest({"a": "é", "b": 1})
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    ("changes", "file", "line", "words", "severity"),
    [
        ({"01-begin": "no front matter"}, "01-first/01-begin.md", 1, "begins with its title", "error"),
        ({"01-begin": "---\ntitle: [\n---\n"}, "01-first/01-begin.md", 2, "not YAML", "error"),
        ({"01-begin": "---\n- a\n---\n"}, "01-first/01-begin.md", 1, "names a title", "error"),
        (
            {"01-begin": "---\nminutes: 4\n---\n"},
            "01-first/01-begin.md",
            None,
            "title: Field required",
            "error",
        ),
        (
            {"01-begin": "---\ntitle: a\nauthor: b\n---\n"},
            "01-first/01-begin.md",
            None,
            "“author”",
            "warning",
        ),
        ({"01-begin": "---\ntitle: a\n---\n\0"}, "01-first/01-begin.md", None, "cannot be stored", "error"),
        ({"quiz": "\n\nWhich?{~a ~b}\n"}, "01-first/quiz.gift", 3, "no answer is right", "error"),
        (
            {"quiz": "// [id:a]\nIs it?{T}\n\n// [id:a]\nOr?{T}"},
            "01-first/quiz.gift",
            None,
            "two questions",
            "error",
        ),
        ({"quiz": "Is it?{T}"}, "01-first/quiz.gift", None, "has no id", "warning"),
        ({"quiz": "// [id:a]\nIs it?{T}"}, "01-first/quiz.gift", None, "three times", "warning"),
        ({"01-first/notes.txt": "x"}, "01-first/notes.txt", None, "not part of", "warning"),
        ({"extra/module.toml": "title = 'x'"}, "extra/module.toml", None, "not part of", "warning"),
        ({"03-x/01-a.md": "---\ntitle: x\n---"}, "03-x/01-a.md", None, "not part of", "warning"),
        ({"03-x/module.toml": "title = \n"}, "03-x/module.toml", 1, "not TOML", "error"),
        ({"03-x/module.toml": "title = 'x'\nhours = 3"}, "03-x/module.toml", None, "“hours”", "warning"),
        ({"certification": "title = 'x'\n"}, "certification.toml", None, "slug: Field required", "error"),
        ({"certification": "slug = '../x'\ntitle = 'x'"}, "certification.toml", None, "slug:", "error"),
        (
            {"certification": "slug = 'x'\ntitle = 'x'\n[pass]\npercent = 101"},
            "certification.toml",
            None,
            "percent",
            "error",
        ),
        (
            {"certification": "slug = 'x'\ntitle = 'x'\n[pass]\npercent = inf"},
            "certification.toml",
            None,
            "percent",
            "error",
        ),
        (
            {"certification": "slug = 'x'\ntitle = 'x'\n[quiz]\ntimer = 1"},
            "certification.toml",
            None,
            "quiz.timer",
            "warning",
        ),
        ({"certification": None}, "certification.toml", None, "there is none", "error"),
        ({"certification": "a = " + "[" * 5_000}, "certification.toml", None, "not TOML", "error"),
        (
            {"01-first/02-begin.md": "---\ntitle: x\n---"},
            "01-first/module.toml",
            None,
            "same lesson",
            "error",
        ),
    ],
)
def test_what_is_wrong_is_said_by_file(
    changes: dict[str, Any], file: str, line: int | None, words: str, severity: str
) -> None:
    _, problems = read_files(encoded(**changes))
    found = [each for each in problems if words.lower() in each.sentence.lower()]
    assert [(each.file, each.line, each.severity) for each in found[:1]] == [(file, line, severity)], problems


def test_without_its_certification_there_is_no_curriculum(tmp_path: Path) -> None:
    assert read_files(encoded(certification=None))[0] is None
    assert read_curriculum(tmp_path / "nowhere")[0] is None


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    _, problems = read_files({**encoded(), "01-first/01-begin.md": b"---\ntitle: \xff\n"})
    assert [(each.file, each.line) for each in problems] == [("01-first/01-begin.md", 2)]


def test_id_given_to_a_question_stays_the_same() -> None:
    first, second = (read_files(encoded(quiz="Is it?{T}"))[0] for _ in range(2))
    assert first is not None
    assert first == second
    assert (first.modules[0].quiz[0].id or "").startswith("q-")


def test_links_are_never_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("---\ntitle: secret\n---\nsecret\n")
    root = tmp_path / "in"
    write_curriculum(read(encoded()), root)
    (root / "01-first" / "02-secret.md").symlink_to(secret)
    (root / "03-linked").symlink_to(root / "01-first")
    curriculum, problems = read_curriculum(root)
    assert curriculum == read(encoded())
    assert [each.file for each in problems] == ["01-first/02-secret.md", "03-linked"]
    with pytest.raises(FolderInUse):
        write_curriculum(read(encoded()), root)


def test_export_does_not_mix_with_other_files(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(FolderInUse) as refused:
        write_curriculum(read(encoded()), tmp_path)
    assert refused.value.details == {"files": ["letter.txt"]}
    assert not (tmp_path / "certification.toml").exists()


def test_too_large_a_file_is_left_out(tmp_path: Path) -> None:
    write_curriculum(read(encoded()), tmp_path)
    (tmp_path / "01-first" / "01-begin.md").write_bytes(b"x" * 4_000_001)
    curriculum, problems = read_curriculum(tmp_path)
    assert [each.file for each in problems] == ["01-first/01-begin.md"]
    assert curriculum is not None
    assert curriculum.modules[0].lessons == ()


def test_cooldowns_repeat_their_last_hours() -> None:
    rules = read(encoded()).certification.pass_rules
    assert [rules.cooldown_hours_before(retake) for retake in (1, 2, 3, 9)] == [0, 24, 24, 24]
