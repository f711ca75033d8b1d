"""What a reader would call the final answer of a response is what `extract` returns, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.answers import Extracted, extract, reference


def answer(text: str, **options: bool) -> str | None:
    found = extract(text, **options)
    return None if found is None else found.answer


BOXED = (
    (r"So we get \boxed{42}.", "42"),
    (r"First \boxed{1}, and after checking it again the total is \boxed{2}", "2"),
    (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
    (r"\boxed{\left\{1,2\right\}}", r"\left\{1,2\right\}"),
    (r"\fbox{7}", "7"),
    (r"\boxed 5", "5"),
    (r"\boxed{5}. Remember to put it in \boxed{answer}", "5"),
    (r"\boxed{5} as asked: \boxed{}", "5"),
    (r"\boxed{\text{your answer}}", None),
    (r"put the answer in \boxed{}", None),
    (r"x is \boxed{3} or \boxed{4}", "3, 4"),
    (r"$\boxed{x=1}$ 和 $\boxed{y=2}$", "x=1, y=2"),
    (r"所以答案是 $\boxed{\frac{3}{4}}$。", r"\frac{3}{4}"),
    (r"\boxed{5} and then \boxed{6", None),
    (r"\boxed{5", None),
)
PHRASES = (
    ("The final answer is $\\frac{1}{2}$.", "$\\frac{1}{2}$", "phrase-en"),
    ("**Final Answer**\n\n42", "42", "phrase-en"),
    ("**Answer:** 42", "42", "phrase-en"),
    ("The answer is 5 because 2 + 3 = 5", "5", "phrase-en"),
    ("The answer is 7, not 9.", "7", "phrase-en"),
    ("The answer to the problem is 12.", "12", "phrase-en"),
    ("The answer is 1,234.", "1,234", "phrase-en"),
    ("Therefore, the answer is\n$$x=5$$", "$$x=5$$", "phrase-en"),
    ("The answer is (B).", "(B)", "phrase-en"),
    ("So the answer is **Paris**.", "Paris", "phrase-en"),
    ("He sells 3 and keeps 2.\nA: 18", "18", "phrase-en"),
    ("It costs 70,000\n#### 70,000", "70,000", "hash"),
    ("答案是5。", "5", "phrase-zh"),
    ("答案是 $5$，因为 2+3=5", "$5$", "phrase-zh"),
    ("所以答案为：25元。", "25元", "phrase-zh"),
    ("**答案：12**", "12", "phrase-zh"),
    ("答：一共有25个苹果。", "25个苹果", "phrase-zh"),
    ("最终结果为 12 平方米。", "12 平方米", "phrase-zh"),
    ("【答案】D", "D", "phrase-zh"),
    ("故选B。", "B", "choice"),
    ("综上，故选：C", "C", "choice"),
    ("因此选 A、C", "A、C", "choice"),
)


@pytest.mark.parametrize(("text", "expected"), BOXED)
def test_the_last_box_that_holds_something_is_the_answer(text: str, expected: str | None) -> None:
    assert answer(text) == expected


@pytest.mark.parametrize(("text", "expected", "rule"), PHRASES)
def test_without_a_box_an_answer_phrase_of_either_language_counts(text: str, expected: str, rule: str) -> None:
    assert extract(text) == Extracted(expected, rule, None)


@pytest.mark.parametrize(
    "text", ["", "   ", "There are 5 and 6 and then 7", "A: 5\nB: 6\nC: 7\nHard to say.", "#### ", "她的答案是否正确？"]
)
def test_no_statement_is_no_answer_never_the_last_number(text: str) -> None:
    assert extract(text) is None


def test_only_what_follows_the_reasoning_counts() -> None:
    assert answer(r"<think>maybe \boxed{5}</think> The answer is 6.") == "6"
    assert answer(r"the opening tag was in the prompt \boxed{5}</think> \boxed{6}") == "6"
    assert answer(r"<think>surely \boxed{5}</think> I do not know.") is None
    assert answer(r"<think>surely \boxed{5}") is None
    found = extract("<think>a</think>\n\\boxed{6}")
    assert found is not None and found.reasoning_end == len("<think>a</think>")


def test_other_models_have_other_tags_or_none() -> None:
    text = r"<reason>\boxed{5}</reason>\boxed{6}"
    assert extract(text, reasoning=("<reason>", "</reason>")) == Extracted(
        "6", "boxed", len(r"<reason>\boxed{5}</reason>")
    )
    assert extract(r"<think>\boxed{5}", reasoning=None) == Extracted("5", "boxed", None)


def test_a_truncated_response_answers_only_by_a_complete_box_outside_its_reasoning() -> None:
    assert answer("The answer is 42", truncated=True) is None
    assert answer("#### 42", truncated=True) is None
    assert answer(r"so \boxed{4", truncated=True) is None
    assert answer(r"<think>\boxed{42} but wait", truncated=True) is None
    assert answer(r"so \boxed{42}, which we now check", truncated=True) == "42"


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<thinking>", "</thinking>"),
        ("[THINK]", "[/THINK]"),
        ("◁think▷", "◁/think▷"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ],
)
def test_the_tags_of_known_models_are_known_unless_told_otherwise(opening: str, closing: str) -> None:
    assert answer(rf"{opening}\boxed{{5}}{closing}The answer is 6.") == "6"
    assert answer(rf"{opening}\boxed{{5}} but wait") is None
    assert answer(rf"{opening}\boxed{{5}} but wait", truncated=True) is None
    found = extract(rf"{opening}\boxed{{5}} but wait", reasoning=("<t>", "</t>"))
    assert found is not None and found.answer == "5"


def test_a_line_that_is_nothing_but_an_answer_is_the_last_rule() -> None:
    assert extract("We add 3 and 4.\n\n7") == Extracted("7", "last-line", None)
    assert extract("55 + 36 = 91") == Extracted("91", "last-line", None)
    assert extract("x = 5\n\nCheck: 3(5) + 2 = 17.") is None
    assert extract("There are 5 and 6 and then 7") is None
    assert extract("We add 3 and 4.\n\n7", truncated=True) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{5} Wait, that is wrong; the answer is 7.", "7"),
        (r"\boxed{5} 更正：答案是 7", "7"),
        (r"\boxed{9} So the final answer is 7, not 9.", "7"),
        (r"\boxed{5}. Actually, the answer is in simplest form.", "5"),
        (r"\boxed{5}. The answer is 6 in base 9.", "5"),
    ],
)
def test_the_box_wins_unless_a_later_statement_takes_it_back(text: str, expected: str) -> None:
    assert answer(text) == expected


def test_references_of_gold_columns() -> None:
    assert reference("He pays 2 * 35,000\n#### 70,000") == "70,000"
    assert reference(r"We see that $x = \boxed{\frac{1}{2}}$.") == r"\frac{1}{2}"
    assert reference("  3/4 ") == "3/4"
    assert reference(" \n") is None
    assert reference("no answer\n#### ") is None


def test_hostile_texts_come_to_an_end() -> None:
    """Each is read in time linear in its length; scripts/bench_answers.py says in how much."""
    for piece in (
        r"\boxed{",
        "answer ",
        "answer is ",
        r"\boxed{} ",
        "A:\n",
        "{",
        "选",
        r"\boxed{1}, ",
        "<think>",
        "answer of ",
        "\\boxed\\frac{",
        "#",
        "答：",
        "$",
    ):
        extract(piece * (200_000 // len(piece)))
        extract("answer" + piece * 10 + " " * 100_000)
    extract(r"\boxed{" * 10_000 + "1" + "}" * 10_000)


@given(st.text(max_size=300))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    for found in (
        extract(text),
        extract(text, truncated=True),
        extract(text + r"\boxed{" + text),
        extract("答案是" + text),
    ):
        assert found is None or (found.answer.strip() and found.rule)


@given(st.text(alphabet="0123456789+-x/", min_size=1, max_size=20), st.text(alphabet="ab 12.\n，。$", max_size=200))
def test_a_box_at_the_end_is_always_found(inside: str, before: str) -> None:
    assert extract(f"{before} \\boxed{{{inside}}}") == Extracted(inside, "boxed", None)


PIECES = st.sampled_from(
    (
        *(
            "answer is ",
            "答案是",
            "故选",
            "$",
            r"\boxed{",
            "}",
            "{",
            "**",
            "#### ",
            "\n",
            "A",
            "(B)",
            "5",
            "1/2",
            "=",
            ", ",
        ),
        *(" and ", "所以", "So ", "</think>", "<think>", "|", "wait", "更正", "不是", " is correct", "\ud800", "\x00"),
        *("。", "．", r"\[", r"\]"),
    )
)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_mix_of_cues_is_read_without_a_crash_and_the_same_each_time(text: str) -> None:
    found = extract(text)
    assert found == extract(text)
    assert found is None or found.answer.strip()
    cut = extract(text, truncated=True)
    assert cut is None or cut.rule == "boxed"
