"""Problem -> messages: templates by name and by path, and text that stays text."""

from pathlib import Path
from typing import Any

import pytest

from solver.errors import PromptError
from solver.prompts import BUILT_IN, load_template
from solver.records import Problem


def problem(text: Any = "What is 1 + 1?", **values: Any) -> Problem:
    return Problem(b"r" * 16, 7, "id", str(text), {"problem": text, **values})


def template(tmp_path: Path, source: str) -> str:
    path = tmp_path / "mine.jinja"
    path.write_text(source, "utf-8")
    return str(path)


def rendered(tmp_path: Path, source: str, asked: Problem | None = None) -> str:
    return load_template(template(tmp_path, source)).messages(asked or problem())[-1]["content"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_templates_ask_the_problem_as_it_is(name: str) -> None:
    messages = load_template(name).messages(problem("  Is {x} < y?\n"))
    assert [turn["role"] for turn in messages] == (["system", "user"] if name.startswith("o1") else ["user"])
    assert "Is {x} < y?" in messages[-1]["content"]
    if name != "plain":
        assert "\\boxed{}" in "".join(turn["content"] for turn in messages)
    assert load_template(name).reads == ("problem",)


def test_deep_thinking_comes_in_both_languages() -> None:
    chinese, english = (load_template(name).messages(problem())[0]["content"] for name in ("o1-zh", "o1-en"))
    assert "检验" in chinese and "Verify" in english and "Verify" not in chinese


def test_a_template_is_one_user_message_or_two_blocks(tmp_path: Path) -> None:
    whole = load_template(template(tmp_path, "\nSolve: {{ problem }}\n\n"))
    assert whole.messages(problem()) == ({"role": "user", "content": "Solve: What is 1 + 1?"},)
    blocks = template(
        tmp_path, "{% block system %} Level {{ level }}. {% endblock %}{% block user %}{{ problem }}{% endblock %}"
    )
    loaded = load_template(blocks)
    assert loaded.reads == ("level", "problem") and loaded.name == "mine.jinja"
    assert loaded.messages(problem(level=3)) == (
        {"role": "system", "content": "Level 3."},
        {"role": "user", "content": "What is 1 + 1?"},
    )


def test_the_job_may_replace_or_remove_the_system_message() -> None:
    replaced = load_template("o1-en", "Be brief.").messages(problem())
    assert replaced[0] == {"role": "system", "content": "Be brief."} and len(replaced) == 2
    assert [turn["role"] for turn in load_template("o1-en", "").messages(problem())] == ["user"]
    assert [turn["role"] for turn in load_template("plain", "Be brief.").messages(problem())] == ["system", "user"]


@pytest.mark.parametrize(
    "text",
    ["{{ 7*7 }}", "{% raw %}", "{% if %} {{", "{# comment #}", "\\boxed{1}", "<b>&amp;</b>", "{{ problem.__class__ }}"],
)
def test_problem_text_is_never_template_source(tmp_path: Path, text: str) -> None:
    assert rendered(tmp_path, "Q: {{ problem }}", problem(text)) == f"Q: {text}"
    assert load_template("o1-zh").messages(problem(text))[-1]["content"] == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ problem.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }} {{ problem }}",
        "{{ problem|attr('__class__') }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }} {{ problem }}",
        "{{ '{0.__class__}'.format(problem) }}",
        "{{ notes.append('x') }} {{ problem }}",
    ],
)
def test_the_sandbox_refuses_tricks(tmp_path: Path, source: str) -> None:
    path = template(tmp_path, source)
    notes: list[str] = []
    with pytest.raises(PromptError, match="cannot be rendered for row 7"):
        load_template(path).messages(problem(notes=notes))
    assert notes == []


def test_a_value_that_is_missing_is_an_error_not_an_empty_word(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="'hint' is undefined"):
        rendered(tmp_path, "{{ problem }} Hint: {{ hint }}")


@pytest.mark.parametrize("source", ["{{ 1 / n }} {{ problem }}", "{{ problem + 1 }}", "{{ n['a'] + problem }}"])
def test_any_failure_to_render_names_the_row(tmp_path: Path, source: str) -> None:
    with pytest.raises(PromptError, match=r"mine\.jinja: cannot be rendered for row 7"):
        rendered(tmp_path, source, problem(n=0))


def test_mistakes_in_the_name_or_the_source_are_told(tmp_path: Path) -> None:
    cases = {
        "o1-hz": "Did you mean `o1-zh`",
        str(tmp_path / "none.jinja"): "none.jinja: No such file or directory. ",
        template(tmp_path, "line\n{% block user %}{{ problem }}"): r"mine\.jinja:\d: is not a Jinja template",
    }
    for name, told in cases.items():
        with pytest.raises(PromptError, match=told):
            load_template(name)
    with pytest.raises(PromptError, match="reads no column"):
        load_template(template(tmp_path, "What is the meaning of it all?"))
    (tmp_path / "latin.jinja").write_bytes(b"\xe9 {{ problem }}")
    with pytest.raises(PromptError, match="UTF-8"):
        load_template(str(tmp_path / "latin.jinja"))


def test_a_chat_as_problem_keeps_its_turns_and_the_template_wraps_the_last_question() -> None:
    chat = [
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "And {{ times }} two?"},
    ]
    asked = load_template("cot", "Be brief.").messages(problem(chat))
    assert asked[0] == {"role": "system", "content": "Be brief."}
    assert list(asked[1:3]) == chat[:2]
    assert asked[3]["content"].startswith("And {{ times }} two?\n\nThink step by step")


def test_a_chat_with_its_own_system_message_keeps_that_one() -> None:
    chat = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "Q"}]
    assert load_template("o1-en", "Yours.").messages(problem(chat)) == tuple(chat)


def test_a_chat_that_ends_with_the_assistant_is_left_so() -> None:
    chat = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "So far:"}]
    assert [turn["role"] for turn in load_template("plain").messages(problem(chat))] == ["user", "assistant"]


def test_what_a_template_reads_includes_what_it_reads_only_sometimes(tmp_path: Path) -> None:
    loop = "{% set x = 1 %}{% for c in choices %}{{ c }}{{ x }}{% endfor %}"
    source = "{% if level > 3 %}{{ hint }}{% endif %}" + loop + "{{ problem }}"
    assert load_template(template(tmp_path, source)).reads == ("choices", "hint", "level", "problem")
