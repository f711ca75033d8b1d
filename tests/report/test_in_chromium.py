"""The report in a real browser: nothing asked for, nothing complained of, and hostile text does nothing."""

from pathlib import Path

import pytest
from chromium import Chromium
from runs import Asked, Said, answers, make_run

from solver.records import Status
from solver.report import write_report

BROKEN = "window.broken = true"
HOSTILE = "\n".join(
    [
        f"</script><script>{BROKEN}</script>",
        f"<img src=x onerror='{BROKEN}'><svg onload='{BROKEN}'><iframe src='https://example.org'></iframe>",
        f'"}}]</script><script>{BROKEN}</script><!-- <script>',
        "\u202etxet desrever\u2066 \u200b\x00 {{ 7 * 7 }} {% raw %}",
        f"$\\href{{javascript:{BROKEN}}}{{x}}$ $\\text{{<img src=x onerror='{BROKEN}'>}}$",
        f"${'{' * 900}x$ \\[{'x^' * 900}\\]",
        "\\boxed{" * 400 + "$" * 400 + "\\begin{matrix}" * 60,
    ]
)
ANSWER = f"<script>{BROKEN}</script>\u202e"
FORMULAS = (
    r"So $\frac{1}{2} + \sqrt[3]{x_1^{2}}$ and "
    r"\[\sum_{i=1}^{n} i = \begin{cases} 1 & n \ge 1 \\ 0 & \text{else} \end{cases}\] "
    r"\(\left(\overline{AB}\right] \in \mathbb{R}\), it costs $5 and $10, $\unknowncommand{x}$, "
    r"so \boxed{\dfrac{1}{2}}."
)
THOUGHT = "<think>\nFirst I think aloud.</think>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen problems of every kind, and a hundred plain ones behind them."""
    cut = Said(None, 99, "and so on", Status.TRUNCATED)
    told = [
        Asked([Said(r"\frac{1}{2}", text=FORMULAS)] * 3, reference=r"\frac{1}{2}", text=r"What is $\frac12$ of one?"),
        Asked([Said("1", text=f"{THOUGHT}It is 1.", reasoning_end=len(THOUGHT))] * 2 + [Said("2"), cut]),
        answers("2", "2", "1", text="a wrong one"),
        answers("1", "1", "2", "2", text="a tied one"),
        answers("1", "2", "3", "1", "4", text="a split one"),
        answers(None, None, text="one without an answer"),
        Asked([Said(ANSWER, text=HOSTILE), Said("2", text="A" * 1_000_000)], text=HOSTILE, reference=ANSWER),
    ]
    run = make_run(tmp_path_factory.mktemp("page") / "run", [*told, *[answers("1", "1")] * 100])
    return write_report(run).path


@pytest.fixture
def opened(browser: Chromium, page: Path) -> Chromium:
    browser.complaints.clear()
    browser.requests.clear()
    browser.look()
    browser.open(page)
    return browser


def open_row(browser: Chromium, number: int) -> None:
    """Open one problem of those on the page."""
    browser.run(f"document.querySelectorAll('tr.row')[{number}].click()")
    browser.until("!!document.querySelector('td.opened .answer')")


def count(browser: Chromium, what: str) -> int:
    return int(browser.run(f"document.querySelectorAll(`{what}`).length"))


def test_it_opens_without_a_complaint_and_asks_for_nothing(opened: Chromium, page: Path) -> None:
    for number in (0, 1, 6):
        open_row(opened, number)
    assert opened.complaints == [] and opened.requests == [page.as_uri()]
    assert opened.run("document.querySelectorAll('figure svg').length") == 5


def test_filters_search_order_and_pages(opened: Chromium) -> None:
    def chosen(*names: str) -> int:
        for name in names:
            opened.run(f"document.querySelector('[data-filter=\"{name}\"]').click()")
        shown = opened.run("document.getElementById('count').textContent")
        for name in names:
            opened.run(f"document.querySelector('[data-filter=\"{name}\"][aria-pressed=true]')?.click()")
        return int(shown.split(" problems")[0].split(" of ")[-1])

    assert count(opened, "tr.row") == 50 and chosen() == 107
    assert [chosen(name) for name in ("right", "wrong", "tied", "truncated", "split", "no answer")] == [
        *(105, 2, 2, 1, 3, 1)
    ]
    assert chosen("right", "tied") == 2 and chosen("right", "wrong") == 2, "the second takes the place of the first"
    opened.run("document.querySelector('#pages button:last-child').click()")
    assert "51 to 100 of 107" in opened.run("document.getElementById('count').textContent")
    opened.run(
        "(() => { const box = document.getElementById('search'); box.value = 'Split ONE'; "
        "box.dispatchEvent(new Event('input')); })()"
    )
    opened.until("document.querySelectorAll('tr.row').length === 1")
    assert "a split one" in opened.run("document.querySelector('tr.row').textContent")
    opened.run("document.getElementById('search').value = ''")
    opened.run("document.getElementById('search').dispatchEvent(new Event('input'))")
    opened.run("document.getElementById('sort').value = 'doubt'")
    opened.run("document.getElementById('sort').dispatchEvent(new Event('change'))")
    opened.until("document.querySelector('tr.row').textContent.includes('without an answer')")


def test_mathematics_is_shown_and_what_is_none_stays(opened: Chromium) -> None:
    assert count(opened, "tr.row:first-child math mfrac") >= 2, "in the problem and in the answers"
    half = "[...document.querySelector('tr.row math mfrac').children].map((one) => one.textContent)"
    assert opened.run(half) == ["1", "2"], "a half, not twelve over nothing"
    open_row(opened, 0)
    for inside in ("msubsup", "mroot", "munderover", "mtable", ".over", ".boxed mfrac"):
        assert count(opened, f".answer .text math {inside}"), inside
    shown = opened.run("document.querySelector('.answer .text').textContent")
    assert "it costs $5 and $10, $\\unknowncommand{x}$, so" in shown
    assert opened.run("document.querySelector('.answer .text mfrac').getBoundingClientRect().height") > 15


def test_reasoning_is_folded_and_opens(opened: Chromium) -> None:
    open_row(opened, 1)
    first = "document.querySelector('.answer details details')"
    assert opened.run(f"{first}.open") is False and "think aloud" in opened.run(f"{first}.textContent")
    assert opened.run(f"{first}.querySelector('.text').checkVisibility()") is False
    opened.run(f"{first}.querySelector('summary').click()")
    opened.until(f"{first}.querySelector('.text').checkVisibility()")
    silent = "document.querySelector('.answer:last-of-type').textContent"
    assert "without a vote" in opened.run(silent) and "truncated" in opened.run(silent)


def test_hostile_text_is_text(opened: Chromium, page: Path) -> None:
    open_row(opened, 6)
    opened.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert opened.run("window.broken ?? null") is None
    scripts = opened.run("[...document.scripts].filter((one) => !one.type).length")
    assert scripts == 1 and count(opened, "#problems :is(img, svg, iframe, script, a, object)") == 0
    shown = opened.run("document.querySelector('td.opened').textContent")
    assert "</script><script>window.broken" in shown and "⟨U+202E⟩" in shown and "\u202e" not in shown
    assert "characters left out" in shown and "{{ 7 * 7 }}" in shown
    assert opened.run("document.documentElement.scrollWidth <= innerWidth"), "a megabyte line is broken, not wide"
    assert opened.complaints == [] and opened.requests == [page.as_uri()]


def test_the_policy_stops_what_would_get_in(opened: Chromium) -> None:
    """Proof that the policy is in force: what an injection would do is refused, and the browser says so."""
    opened.run(
        f"(() => {{ const one = document.createElement('script'); one.textContent = '{BROKEN}'; "
        "document.body.append(one, Object.assign(new Image(), {src: 'https://example.org/x.png'})); })()"
    )
    opened.until("true")
    assert opened.run("window.broken ?? null") is None
    assert any("Content Security Policy" in said for said in opened.complaints)


def test_dark_narrow_and_printed(opened: Chromium) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened.run(ground)
    opened.look(dark=True)
    assert opened.run(ground) != light
    opened.look(width=360, height=740, phone=True)
    open_row(opened, 0)
    assert opened.run("document.documentElement.scrollWidth") <= 360
    assert opened.run("document.querySelector('figure svg').getBoundingClientRect().width") > 280
    opened.look()
    opened("Emulation.setEmulatedMedia", media="print")
    assert opened.run("document.querySelector('.controls').checkVisibility()") is False
    assert opened.run("document.querySelector('figure svg').checkVisibility()") is True
