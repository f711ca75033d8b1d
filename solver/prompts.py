"""Problem -> chat messages: Jinja templates in an immutable sandbox.

In: a template's name (`o1-zh`, `o1-en`, `cot`, `plain`) or a path to a Jinja file, and one Problem.
Out: the messages to send. A template is one user message, or two blocks:

    {% block system %}...{% endblock %}{% block user %}{{ problem }}{% endblock %}

Problem text is a value, never template source, so braces in it mean nothing. The names that a
template reads decide a row's identity (`PromptTemplate.reads`). Encoding is the tokenizer's work
(models/tokenizer.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from solver.errors import Fault, PromptError, nearest
from solver.records import Message, Problem

BUILT_IN = ("o1-zh", "o1-en", "cot", "plain")
"""Templates that ship with the package, under solver/templates/."""

BLOCKS = ("system", "user")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A loaded template: where it came from, its source, the names it reads, and how to render it."""

    name: str
    source: str
    reads: tuple[str, ...]
    system: str | None = None
    system_role: str = "system"

    @property
    def brings_system(self) -> bool:
        """Whether it has a system message of its own."""
        return "system" in _compiled(self.source).blocks

    def messages(self, problem: Problem) -> tuple[Message, ...]:
        """The chat messages for one problem.

        A problem given as a list of messages keeps them: the user block wraps its last user message,
        and its own system message wins over the template's. Where `system_role` is `user`, a system
        message opens the first user message. Raises PromptError when rendering fails.
        """
        turns = self._turns(problem)
        return turns if self.system_role == "system" else _without_system(turns)

    def _turns(self, problem: Problem) -> tuple[Message, ...]:
        turns = problem.values.get("problem")
        if not isinstance(turns, list | tuple):
            return self._ask(problem, dict(problem.values))
        last = max(i for i, turn in enumerate(turns) if turn["role"] == "user")
        values = {**problem.values, "problem": turns[last]["content"]}
        asked = self._ask(problem, values)
        given = [{"role": turn["role"], "content": turn["content"]} for turn in turns]
        given[last] = dict(asked[-1])
        own_system = any(turn["role"] == "system" for turn in given)
        return (*(() if own_system else asked[:-1]), *given)

    def _ask(self, problem: Problem, values: Mapping[str, Any]) -> tuple[Message, ...]:
        try:
            system, user = _render(self.source, values)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            where = f"prompt.template {self.name}"
            raise PromptError([Fault(where, f"cannot be rendered for row {problem.row}: {error}")]) from error
        system = self.system if self.system is not None else system
        head: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
        return (*head, {"role": "user", "content": user})


def _without_system(turns: Sequence[Message]) -> tuple[Message, ...]:
    """The same said by the user: for models that want no system message, or whose chat template refuses one."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    others = [dict(turn) for turn in turns if turn["role"] != "system"]
    first = next(turn for turn in others if turn["role"] == "user")
    first["content"] = "\n\n".join([*system, first["content"]])
    return tuple(others)


def load_template(name: str, system: str | None = None, system_role: str = "system") -> PromptTemplate:
    """Load a built-in template by name or a Jinja file by path.

    `system` replaces the template's system message ("" removes it); system_role: `user` where it is to open the
    user's message. Raises PromptError.
    """
    source = _source(name)
    try:
        tree = _environment().parse(source)
        _compiled(source)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"{name}:{line}" if line else name
        raise PromptError([Fault(where, f"is not a Jinja template: {error}")]) from error
    reads = tuple(sorted(meta.find_undeclared_variables(tree)))
    if not reads:
        raise PromptError([Fault(name, "reads no column", "Write {{ problem }} where the problem belongs")])
    return PromptTemplate(Path(name).name, source, reads, system, system_role)


def _source(name: str) -> str:
    if name in BUILT_IN:
        return (files("solver") / "templates" / f"{name}.jinja").read_text("utf-8")
    path = Path(name)
    if not path.suffix and "/" not in name:
        raise PromptError([Fault("prompt.template", f"no built-in template `{name}`", nearest(name, BUILT_IN))])
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = f"Give a readable UTF-8 Jinja file, or one of {', '.join(BUILT_IN)}"
        why = getattr(error, "strerror", None) or error
        raise PromptError([Fault("prompt.template", f"cannot read {name}: {why}", fix)]) from error


def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@lru_cache(maxsize=16)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


def _render(source: str, values: Mapping[str, Any]) -> Sequence[str]:
    """System and user text ("" for none): the named blocks, or the whole template as the user's."""
    template = _compiled(source)
    context = template.new_context(dict(values))
    if not any(block in template.blocks for block in BLOCKS):
        return "", "".join(template.root_render_func(context)).strip()
    blocks = template.blocks
    return tuple("".join(blocks[name](context)).strip() if name in blocks else "" for name in BLOCKS)


LANGUAGES = ("en", "zh")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_JINJA = re.compile(r"\{[%{#].*?[%}#]\}", re.DOTALL)


def language_of(template: PromptTemplate, problem: str) -> str:
    """`zh` or `en`: the language that a template is written in; the problem's where the template has no words."""
    words = _JINJA.sub("", template.source) + (template.system or "")
    said = words if _CHINESE.search(words) or _WORDS.search(words) else problem
    return "zh" if _CHINESE.search(said) else "en"


def cue_names() -> frozenset[str]:
    """Names of the texts in templates/cues-*.jinja: what strategies say to the model after the first prompt."""
    return frozenset(_compiled(_cues("en")).blocks)


def cue(name: str, language: str, own: Mapping[str, str] | None = None, /, **values: Any) -> str:
    """One of those texts, rendered; `own` holds the user's wording by name. Raises PromptError."""
    try:
        if own is not None and name in own:
            return _environment().from_string(own[name]).render(values)
        template = _compiled(_cues(language))
        return "".join(template.blocks[name](template.new_context(values)))
    except (TemplateError, TypeError, ValueError) as error:
        raise PromptError([Fault(f"strategy.cues.{name}", f"cannot be rendered: {error}")]) from error


def cue_fault(source: Any) -> str | None:
    """Why a user's wording cannot be a cue, or None."""
    if not isinstance(source, str):
        return f"must be a text, not {source!r}"
    try:
        _environment().parse(source)
    except TemplateError as error:
        return f"is not a Jinja template: {error}"
    return None


@lru_cache(maxsize=4)
def _cues(language: str) -> str:
    return (files("solver") / "templates" / f"cues-{language}.jinja").read_text("utf-8")
