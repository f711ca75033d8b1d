r"""One spelling for what is written in many ways: full-width forms, LaTeX wrappers, markdown, punctuation.

First stage of equality: answer text -> normal text -> key. Only notation changes here, never value: `x²` becomes
`x^{2}` before Unicode normalization could make it `x2`, and `2½` becomes `2\frac{1}{2}`, not `21/2`.
"""

import re
import unicodedata

from solver.answers.numerals import SPOKEN as _SPOKEN
from solver.answers.numerals import spoken_formula

_SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
_SUBSCRIPT = "₀₁₂₃₄₅₆₇₈₉"
_SUPER = str.maketrans(_SUPERSCRIPT, "0123456789+-n")
_SUB = str.maketrans(_SUBSCRIPT, "0123456789")
_ROOT_DEGREE = re.compile(r"(?<![\w)\]}])([³⁴⁵])√")  # ³√8
_SUPER_RUN = re.compile(f"[{_SUPERSCRIPT}]+")
_SUB_RUN = re.compile(f"[{_SUBSCRIPT}]+")
_VULGAR = {
    mark: rf"\frac{{{over}}}{{{under}}}"
    for mark, over, under in (
        ("½", 1, 2), ("⅓", 1, 3), ("⅔", 2, 3), ("¼", 1, 4), ("¾", 3, 4), ("⅕", 1, 5), ("⅖", 2, 5), ("⅗", 3, 5),
        ("⅘", 4, 5), ("⅙", 1, 6), ("⅚", 5, 6), ("⅐", 1, 7), ("⅛", 1, 8), ("⅜", 3, 8), ("⅝", 5, 8), ("⅞", 7, 8),
        ("⅑", 1, 9), ("⅒", 1, 10),
    )
}  # fmt: skip
CIRCLED = "".join(chr(0xE001 + place) for place in range(20))
"""Stand-ins for ① to ⑳, which Unicode normalization would make 1 to 20."""
_BEFORE = str.maketrans(
    {
        **_VULGAR,
        **{chr(0x2460 + place): mark for place, mark in enumerate(CIRCLED)},
        "º": "°",
        "˚": "°",
        "ℝ": r"\R ",
        "ℤ": r"\Z ",
        "ℕ": r"\N ",
        "ℚ": r"\Q ",
        "…": "...",
    }
)
_AFTER = str.maketrans(
    {
        "−": "-", "–": "-", "‐": "-", "‑": "-", "‒": "-", "⁄": "/", "∕": "/", "÷": "/", "、": ",", "。": ".",
        "×": r"\times ",
        "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "π": r"\pi ", "∞": r"\infty ", "≤": "<=", "≥": ">=", "⩽": "<=",
        "⩾": ">=", "≦": "<=", "≧": ">=", "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ", "∪": r"\cup ", "∩": r"\cap ",
        "∈": r"\in ", "“": '"', "”": '"', "‘": "'", "’": "'", "「": '"', "」": '"', "\u200b": "", "\ufeff": "",
        "—": "-", "γ": r"\gamma ", "δ": r"\delta ", "ω": r"\omega ", "φ": r"\varphi ", "ϕ": r"\phi ", "μ": r"\mu ",
        "ρ": r"\rho ", "σ": r"\sigma ", "Δ": r"\Delta ", "∣": "|", "′": "'", "″": "''",
        "⟨": r"\langle ", "⟩": r"\rangle ", "∠": r"\angle ",
        "△": r"\triangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
        "〈": r"\langle ", "〉": r"\rangle ",
        "∅": r"\emptyset ", "√": r"\sqrt ", "∛": r"\sqrt[3] ", "∜": r"\sqrt[4] ",
        "℃": "°C", "¥": "¥", "￥": "¥", "θ": r"\theta ", "α": r"\alpha ",
        "β": r"\beta ", "λ": r"\lambda ", "∶": ":", "【": "[", "】": "]", "〖": "[", "〗": "]",
    }
)  # fmt: skip

_COMMANDS = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\leq": "<=", r"\geq": ">=", r"\leqslant": "<=",
    r"\geqslant": ">=", r"\le": "<=", r"\ge": ">=", r"\lt": "<", r"\gt": ">", r"\neq": r"\ne ", r"\lbrace": r"\{",
    r"\rbrace": r"\}", r"\div": "/", r"\degree": "°", r"\left": "", r"\right": "", r"\big": "", r"\Big": "",
    r"\bigg": "", r"\Bigg": "", r"\bigl": "", r"\bigr": "", r"\Bigl": "", r"\Bigr": "", r"\displaystyle": "",
    r"\textstyle": "", r"\limits": "", r"\quad": " ", r"\qquad": " ", r"\varnothing": r"\emptyset ",
    r"\ldots": "...", r"\dots": "...", r"\cdots": "...", r"\to": r"\to ", r"\land": " and ", r"\lor": " or ",
    r"\textdegree": "°", r"\pounds": "£", r"\euro": "€", r"\yen": "¥", r"\thinspace": " ", r"\centerdot": r"\cdot ",
    r"\bullet": r"\cdot ", r"\nobreak": "", r"\large": "", r"\Large": "", r"\LARGE": "", r"\huge": "", r"\small": "",
    r"\normalsize": "", r"\rm": "", r"\bf": "", r"\it": "", r"\tt": "", r"\bfseries": "", r"\mathstrut": "",
    r"\middle": "", r"\Biggl": "", r"\Biggr": "", r"\biggl": "", r"\biggr": "", r"\lvert": "|", r"\rvert": "|",
    r"\vert": "|", r"\colon": ":", r"\gets": "=", r"\lbrack": "[", r"\rbrack": "]", r"\ast": "*", r"\tg": r"\tan",
    r"\dbinom": r"\binom", r"\tbinom": r"\binom", r"\space": " ", r"\enspace": " ", r"\iff": "=", r"\scriptstyle": "",
 r"\vee": " or ", r"\wedge": " and ",
}  # fmt: skip
_COMMAND = re.compile(r"\\[A-Za-z]+")
_SPACING = re.compile(r"(?<!\\)\\[,;:! ]|~")
_THOUSANDS_GAP = re.compile(r"(?<=\d)(?:,\\!|\\[,;:! ]|\{,\}|\{\\,\}|')(?=\d{3}(?!\d))")
_SETS = re.compile(r"\\mathbb\s*(?:\{\s*([RZNQC])\s*\}|([RZNQC]))")
_COLOUR = re.compile(r"\\(?:text)?color\s*\{[^{}]*\}|\\[hv]space\*?\s*\{[^{}]*\}|\\(?:tag|label|phantom)\s*\{[^{}]*\}")
_SILENT = re.compile(r"\\(?:left|right)\s*\.|</?(?:b|i|strong|em|span|p|u|code|font|br)(?:\s[^<>]*)?/?>")
_LIST_LABEL = re.compile(r"^([A-J])、(?=\s*\S)(?!\s*[A-J](?:[、,和与]|$))")
_ESCAPED = re.compile(r"\\([%$#&_])")
_WRAPPER = re.compile(
    r"\\(?:text|mathrm|textbf|mathbf|textit|mathit|textrm|textsf|texttt|operatorname|mbox|hbox|mathsf|mathtt|emph"
    r"|boldsymbol|bm|mathbb|mathcal|boxed|fbox|underline|textnormal|pmb|textup|mathop|overset\s*\{\}|framebox)\*?\s*\{"
)
_CIRCLE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)")
_FRAC = re.compile(r"\\(?:frac|binom)(?![A-Za-z])\s*(?!\{[^{}]*\}\{)")
_ARGUMENT = re.compile(r"\s*(\\[A-Za-z]+|[^\s{}\\])")
_SHORT_SQRT = re.compile(r"\\sqrt\s*(\d+|[A-Za-z](?![A-Za-z]))")
_PAREN_SQRT = re.compile(r"\\sqrt\s*\(([^()]*)\)")
_SPACES = re.compile(r"\s+")
_BOLD = re.compile(r"(?<![\w*)}])\*\*([^*]+)\*\*(?![\w*({\\])")
# A sequence's n, or the k of a family of solutions, is whole without saying so.
_WHOLE_NUMBERS = re.compile(
    r"(?<=\S)\s*(?:,\s*(?:其中)?\s*|\(\s*)(?:n\s*\\in\s*\\?[NZ]\s*[\^_]\s*\{?\s*[*+]\s*\}?|[knm]\s*\\in\s*\\?Z|[xt]\s*\\in\s*\\?R)\s*\)?$"
)
_BUILDER = re.compile(r"\{\s*(?:[A-Za-z](?:\s*\\in[^|:]{1,12})?\s*(?:\||:|\\mid)|\}$)")  # {x | x > 1}, {}
_FAMILY = re.compile(r"\s*\(\s*([kn])\s*\\in\s*([^()]*)\)$")
_PAIRS = (
    ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("__", "__"), ("`", "`"), ('"', '"'),
    ("*", "*"), ("~~", "~~"), ("_", "_"), ("'", "'"),
)  # fmt: skip
_LEAD = re.compile(
    r"^(?:(?:the|my|our)\s+)?(?:(?:final|correct|exact)\s+)?(?:answer|result)\s*(?:is|:|=)\s*"
    r"|^(?:故|所以|因此)?(?:最终|正确)?答案(?:是|为|:)\s*|^#{1,6}\s+|^(?:一共|总共|共计|合计|共)(?:有|是|为)?\s*(?=\d)"
    r"|^(?:(?:直线|曲线|抛物线|双曲线|椭圆|圆|函数)\s*(?:[A-Za-z](?=\s*(?:的|:)))?|l(?:_\d)?(?=\s*:))?"
    r"(?:的?(?:标准)?(?:方程|解析式|表达式))?(?:是|为|:)?\s*(?=[-+]?\d*[A-Za-z(\\][^\u4e00-\u9fff]*=)|^(?:approximately|about|roughly|约为|大约|约)\s*",
    re.IGNORECASE,
)


def normal(answer: str) -> str:
    """The same answer in one notation; idempotent but for pathological nesting, linear in its length."""
    text = answer
    if "<" in text:
        text = _SILENT.sub("", text)
    if not text.isascii():
        text = _ascii_marks(text)
    if "\\" in text or "{" in text or "'" in text:
        text = _plain_latex(text)
    if "/-" in text:
        text = text.replace("+/-", r"\pm ")
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    text = _SPACES.sub(" ", text).strip()
    return _unwrap(text)


def _ascii_marks(text: str) -> str:
    text = (
        _LIST_LABEL.sub(r"\1. ", text.strip().translate(_BEFORE), count=1) if "、" in text else text.translate(_BEFORE)
    )
    if _SPOKEN.search(text):
        text = spoken_formula(text)
    text = _ROOT_DEGREE.sub(lambda root: rf"\sqrt[{root[1].translate(_SUPER)}] ", text)
    text = _SUPER_RUN.sub(lambda run: "^{" + run[0].translate(_SUPER) + "}", text)
    text = _SUB_RUN.sub(lambda run: "_{" + run[0].translate(_SUB) + "}", text)
    return unicodedata.normalize("NFKC", text).translate(_AFTER)


def _plain_latex(text: str) -> str:
    text = _CIRCLE.sub("°", _THOUSANDS_GAP.sub("", text))
    text = _SETS.sub(lambda name: rf"\{name[1] or name[2]} ", _SILENT.sub("", _COLOUR.sub("", text)))
    text = _SPACING.sub(" ", text)
    text = _COMMAND.sub(lambda name: _COMMANDS.get(name[0], name[0]), text)
    text = _ESCAPED.sub(r"\1", text) if not text.startswith("$") else text.replace(r"\%", "%").replace(r"\$", "")
    text = _without_wrappers(text)
    if _FRAC.search(text):
        text = _braced(text)
    return _SHORT_SQRT.sub(r"\\sqrt{\1}", _PAREN_SQRT.sub(r"\\sqrt{\1}", text))


def _without_wrappers(text: str) -> str:
    r"""`\text{...}`, `\mathbf{...}`, `\boxed{...}` are what is inside them."""
    begin = 0
    for _ in range(40):
        match = _WRAPPER.search(text, begin)
        if match is None:
            break
        end = closing(text, match.end() - 1)
        if end is None:
            break
        text = f"{text[: match.start()]} {text[match.end() : end]} {text[end + 1 :]}"
        begin = match.start()
    return text


def _braced(text: str) -> str:
    r"""`\frac12`, `\frac{x}2`, `\frac1\pi` with the braces that TeX does not need."""
    begin = 0
    for _ in range(40):
        match = _FRAC.search(text, begin)
        if match is None:
            break
        begin = match.end()
        for _ in range(2):
            while text[begin : begin + 1] == " ":
                begin += 1
            end = closing(text, begin) if text[begin : begin + 1] == "{" else None
            if end is not None:
                begin = end + 1
            elif (argument := _ARGUMENT.match(text, begin)) and argument[1] not in (r"\frac", r"\sqrt", r"\binom"):
                text = f"{text[:begin]}{{{argument[1]}}}{text[argument.end() :]}"
                begin += len(argument[1]) + 2
        begin = match.end()
    return text


def _unwrap(text: str) -> str:
    """Take off delimiters, emphasis, quotes, closing punctuation and opening phrases, until nothing comes off."""
    text = _WHOLE_NUMBERS.sub("", text) if r"\in" in text else text
    text = _FAMILY.sub(r", \1\\in \2", text) if r"\in" in text else text
    for _ in range(8):
        before = text
        text = text.strip().rstrip(".?,;:").strip() if not text.endswith("...") else text.strip()
        for left, right in _PAIRS:
            inner = text[len(left) : -len(right)]
            if len(text) > len(left) + len(right) and text.startswith(left) and text.endswith(right):
                text = inner if left not in inner and right not in inner else text
        text = text.removesuffix("\\\\").rstrip()
        if text.startswith("{") and closing(text, 0) == len(text) - 1:
            text = rf"\{text[:-1]}\}}" if _BUILDER.match(text) else text[1:-1]
        text = _LEAD.sub("", text)
        if text == before:
            break
    return text


def closing(text: str, start: int) -> int | None:
    """Index of the bracket that closes the one at `start` (any of `({[`), or None; escaped braces count as braces."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] in "({[":
            depth += 1
        elif text[index] in ")}]":
            depth -= 1
            if depth == 0:
                return index
    return None


def split(text: str, separator: re.Pattern[str]) -> list[str]:
    """Parts of `text` between matches of `separator` that stand outside every bracket and environment."""
    if r"\begin" in text:
        text = text.replace(r"\begin", "(" + _ENVIRONMENT).replace(r"\end", ")" + _ENVIRONMENT)
        return [_environments(part) for part in _split(text, separator)]
    return _split(text, separator)


_ENVIRONMENT = "\x01"


def _environments(part: str) -> str:
    return part.replace("(" + _ENVIRONMENT, r"\begin").replace(")" + _ENVIRONMENT, r"\end")


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    parts, depth, begin, index = [], 0, 0, 0
    while index < len(text):
        mark = text[index]
        if mark in "({[":
            depth += 1
        elif mark in ")}]":
            depth = max(0, depth - 1)
        elif depth == 0 and (match := separator.match(text, index)) and match.end() > index:
            parts.append(text[begin:index].strip())
            begin = index = match.end()
            continue
        index += 1
    parts.append(text[begin:].strip())
    return parts
