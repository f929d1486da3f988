"""From GIFT text to questions: whatever comes in, questions and problems come out."""

from pydantic import ValidationError

from curriculum.gift.answers import Answers, read_answers
from curriculum.gift.blocks import Block, split_blocks
from curriculum.gift.doubts import doubts
from curriculum.gift.escapes import bare, every_bare, meant, take_format, unescape
from curriculum.gift.problems import GiftProblem, Unreadable
from curriculum.questions import Question, RichText
from curriculum.writings import UNSTORABLE

MAX_CHARACTERS = 2_000_000
MAX_QUESTIONS = 2_000
MAX_BLOCK_CHARACTERS = 50_000


def parse_gift(text: str) -> tuple[list[Question], list[GiftProblem]]:
    """The questions of a GIFT file in order, and what was refused or changed, by line. Never raises on bad input.

    Source: Moodle's GIFT format; where readers differ, Moodle's documentation decides.
    """
    if len(text) > MAX_CHARACTERS:
        return [], [GiftProblem(1, f"The file is longer than {MAX_CHARACTERS:,} characters.")]
    text, problems = _cleaned(text)
    blocks, remarks = split_blocks(text)
    problems += remarks
    if len(blocks) > MAX_QUESTIONS:
        late = blocks[MAX_QUESTIONS].lines[0]
        problems.append(GiftProblem(late, f"Everything after {MAX_QUESTIONS:,} questions was left out."))
    questions = [each for block in blocks[:MAX_QUESTIONS] if (each := _question_or_problem(block, problems))]
    return questions, sorted(problems, key=lambda problem: problem.line)


def _cleaned(text: str) -> tuple[str, list[GiftProblem]]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = UNSTORABLE.search(text)
    if found is None:
        return text, []
    line = text.count("\n", 0, found.start()) + 1
    sentence = "Characters that cannot be stored were replaced."
    return UNSTORABLE.sub("\ufffd", text), [GiftProblem(line, sentence, "warning")]


def _question_or_problem(block: Block, problems: list[GiftProblem]) -> Question | None:
    try:
        question = _read(block)
    except Unreadable as refused:
        problems.append(GiftProblem(block.line_at(refused.offset), refused.sentence))
        return None
    except ValidationError as refused:
        problems.append(GiftProblem(block.lines[0], _sentence(refused)))
        return None
    sentences = [*_duplicate_ids(block), *doubts(question)]
    problems += [GiftProblem(block.lines[0], sentence, "warning") for sentence in sentences]
    return question


def _read(block: Block) -> Question:
    if len(block.text) > MAX_BLOCK_CHARACTERS:
        raise Unreadable(0, f"A question is longer than {MAX_BLOCK_CHARACTERS:,} characters.")
    title, begin = _title(block.text)
    opening, closing = _braces(block.text, begin)
    stem_format, stem = take_format(block.text[begin:opening], "moodle")
    tail = meant(block.text[closing + 1 :], stem_format)
    if closing > opening:
        answers = read_answers(block.text[opening + 1 : closing], opening + 1, stem_format)
    else:
        answers = Answers("description")
    return Question(
        id=block.ids[0] if block.ids else None, tags=tuple(dict.fromkeys(block.tags)), title=title,
        kind=answers.kind, text=RichText(text=meant(stem, stem_format), format=stem_format), tail=tail,
        choices=answers.choices, numbers=answers.numbers, pairs=answers.pairs, feedback=answers.feedback,
        category=block.category, note="\n".join(block.remarks),
    )  # fmt: skip


def _title(text: str) -> tuple[str, int]:
    begin = len(text) - len(text.lstrip())
    if not text.startswith("::", begin):
        return "", 0
    end = bare(text, "::", begin + 2)
    if end < 0:
        raise Unreadable(begin, "The title that begins with :: is never closed with ::.")
    return unescape(text[begin + 2 : end]), end + 2


def _braces(text: str, begin: int) -> tuple[int, int]:
    """Where the answers open and close; twice the end of the text for a description."""
    places = every_bare(text, "{}", begin)
    signs = "".join(text[at] for at in places)
    if not places:
        return len(text), len(text)
    if signs[0] == "}":
        raise Unreadable(places[0], "A } stands without its {. Write \\} where the character is meant.")
    if "}" not in signs:
        raise Unreadable(
            places[0], "The answers that begin with { are not closed with } before the blank line."
        )
    if signs != "{}":
        raise Unreadable(
            places[1 if signs[1] == "{" else 2],
            "A question has one pair of braces. Write \\{ and \\} where they are meant.",
        )
    return places[0], places[1]


def _duplicate_ids(block: Block) -> list[str]:
    return ["A question has one id; the others were left out."] if len(block.ids) > 1 else []


def _sentence(refused: ValidationError) -> str:
    first = refused.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    where = ".".join(str(part) for part in first["loc"])
    return f"This question was left out: {message}{f' ({where})' if where else ''}."
