"""The HTML page of an audit in a real browser: it is seen, its filters work, it asks nobody for anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

from bot.audit_report import Audit
from tests.html_audits import audit, big, finding, mixed, page, repository
from tests.test_report_html import hostile

_NAMES = (
    os.environ.get("RINGFENCE_CHROMIUM", ""),
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for name in _NAMES if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("these tests need Chromium: scripts/chromium finds or installs one")
    with sync_playwright() as running:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        started = running.chromium.launch(executable_path=found, args=arguments)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Opens a page from a file. At the end nothing was asked for but that file, and nothing was complained of."""
    complaints: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_(
        text: str | Audit, *, width: int = 1280, scheme: str = "light", script: bool = True, fragment: str = ""
    ) -> Page:
        file = tmp_path / "report.html"
        file.write_text(text if isinstance(text, str) else page(text), encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script  # type: ignore[arg-type]
        )  # fmt: skip
        contexts.append(context)
        shown = context.new_page()

        def route(request: Route) -> None:
            if request.request.url.split("#")[0] == file.as_uri():
                request.continue_()
            else:
                asked.append(request.request.url)
                request.abort()

        def complained(message: ConsoleMessage) -> None:
            complaints.append(f"{message.type}: {message.text}")

        context.route("**/*", route)
        shown.on("request", lambda r: None if r.url.startswith((file.as_uri(), "data:")) else asked.append(r.url))
        shown.on("console", complained)
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        shown.goto(file.as_uri() + fragment)
        return shown

    yield open_
    for context in contexts:
        context.close()
    assert asked == []
    assert complaints == []


def rows(shown: Page, kind: str) -> int:
    """How many rows of a table are seen."""
    return shown.locator(f"table[data-kind={kind}] tbody tr:visible").count()


def heading(shown: Page, part: str) -> str:
    return shown.locator(f"#{part} h2 .count").inner_text()


def settled(shown: Page, words: str) -> None:
    """Wait until the line of counts says this."""
    shown.wait_for_function("words => document.getElementById('shown').textContent.includes(words)", arg=words)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("text", ["mixed", "hostile"])
def test_it_fits_a_phone_and_a_desk_light_and_dark(opened: Opened, text: str, width: int, scheme: str) -> None:
    shown = opened(hostile() if text == "hostile" else page(mixed()), width=width, scheme=scheme)
    for details in shown.locator("details").all():
        details.evaluate("element => { element.open = true }")
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.locator("h1").is_visible()
    assert shown.locator("svg.picture").first.is_visible()
    # What is read is told from what it stands on, everywhere.
    poor = shown.evaluate(_CONTRAST)
    assert poor == []
    small = shown.evaluate(_SMALL)
    assert small == []


# Elements with text of their own whose colour is too near to their background's: WCAG's 4.5, 3 for large text.
_CONTRAST = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const found = channels(getComputedStyle(e).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility() || element.closest("svg, script, option")) continue;
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(style.color)), luminance(behind(element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) poor.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""

# Text that is smaller than 11 pixels on the screen, pictures included.
_SMALL = """() => {
  const small = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility() || !element.getClientRects().length) continue;
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("script, title, desc, datalist")) continue;
    const svg = element.closest("svg.picture");
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    const size = parseFloat(getComputedStyle(element).fontSize) * scale;
    if (size < 10.5) small.push(`${element.className.baseVal || element.className || element.tagName}: ${size.toFixed(1)}`);
  }
  return [...new Set(small)];
}"""


def test_words_in_pictures_stay_in_their_boxes(opened: Opened) -> None:
    names = [
        "acme/platform-checkout-service",
        "WWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "a",
        "mixed/Case_Name.with.dots",
        "語" * 30,
    ]
    made = [repository(name, "private", finding(), uses={"@acme/core": ("10.20.30-canary.15",)}) for name in names]
    made.append(repository("acme/core", "open", holds=("@acme/core",)))
    shown = opened(audit(made), width=390)
    outside = shown.evaluate("""() => [...document.querySelectorAll("svg.picture .box")].flatMap((box) => {
      const frame = box.querySelector("rect").getBoundingClientRect();
      return [...box.querySelectorAll("text")].filter((text) => {
        const { left, right, top, bottom } = text.getBoundingClientRect();
        return left < frame.left || right > frame.right + 1 || top < frame.top || bottom > frame.bottom;
      }).map((text) => text.textContent);
    })""")
    assert outside == []
    meeting = shown.evaluate("""() => [...document.querySelectorAll("svg.picture")].flatMap((svg) => {
      const rects = [...svg.querySelectorAll(".box rect")].map((rect) => rect.getBoundingClientRect());
      return [...svg.querySelectorAll(".on text")].filter((text) => {
        const a = text.getBoundingClientRect();
        return rects.some((b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom);
      }).map((text) => text.textContent);
    })""")
    assert meeting == []


def test_filters_by_everything(opened: Opened) -> None:
    shown = opened(mixed())
    assert (rows(shown, "findings"), rows(shown, "repositories")) == (6, 7)
    shown.get_by_label("error", exact=True).check()
    settled(shown, "2 of 6 findings, in 1 of 7 repositories")
    assert (rows(shown, "findings"), rows(shown, "repositories"), rows(shown, "rules")) == (2, 1, 1)
    assert (heading(shown, "findings"), heading(shown, "repositories")) == ("2 of 6", "1 of 7")
    shown.get_by_label("waived", exact=True).check()
    settled(shown, "3 of 6")
    shown.get_by_role("combobox", name="Rule").select_option("path-escape")
    settled(shown, "1 of 6")
    shown.get_by_role("button", name="Clear").click()
    settled(shown, "6 findings, 7 repositories")
    shown.get_by_role("combobox", name="Side").select_option("open")
    settled(shown, "1 of 6")
    assert rows(shown, "repositories") == 3
    shown.get_by_role("combobox", name="Side").select_option("")
    shown.get_by_label("Repository", exact=True).fill("acme/web")
    settled(shown, "4 of 6")
    assert rows(shown, "repositories") == 1
    assert shown.locator(".card:visible").count() == 2
    shown.get_by_label("Text").fill("PARSE1")
    settled(shown, "1 of 6")
    assert "src/file1.ts:12:19" in shown.locator("table[data-kind=findings] tbody tr:visible").inner_text()
    assert rows(shown, "repositories") == 1


def test_the_numbers_of_rules_follow(opened: Opened) -> None:
    shown = opened(mixed())
    row = shown.locator("table[data-kind=rules] tbody tr", has_text="deep-import")
    assert row.locator("td.num").all_inner_texts() == ["2", "0", "0", "1"]
    shown.get_by_label("Text").fill("parse1")
    settled(shown, "1 of 6")
    assert row.locator("td.num").all_inner_texts() == ["1", "0", "0", "1"]
    shown.get_by_label("Text").fill("")
    settled(shown, "6 findings, 7")
    assert row.locator("td.num").all_inner_texts() == ["2", "0", "0", "1"]


def test_the_address_keeps_the_filters(opened: Opened) -> None:
    shown = opened(mixed())
    shown.get_by_label("Text").fill("a & b = ü")
    shown.get_by_label("error", exact=True).check()
    shown.get_by_label("note", exact=True).check()
    settled(shown, "0 of 6")
    assert shown.url.endswith("#q=a%20%26%20b%20%3D%20%C3%BC&severity=error,note")
    shown.reload()
    settled(shown, "0 of 6")
    assert shown.get_by_label("Text").input_value() == "a & b = ü"
    assert shown.get_by_label("note", exact=True).is_checked()
    assert not shown.get_by_label("warning", exact=True).is_checked()
    shown.get_by_role("button", name="Clear").click()
    settled(shown, "6 findings, 7")
    assert "#" not in shown.url


def test_links_filter_and_may_be_shared(opened: Opened) -> None:
    shown = opened(mixed(), fragment="#rule=deep-import&side=private")
    settled(shown, "2 of 6")
    shown.locator("table[data-kind=findings] a.l:visible").first.click()
    settled(shown, "4 of 6 findings, in 1 of 7")
    assert shown.url.endswith("#repository=acme/web")
    shown.go_back()
    settled(shown, "2 of 6")
    box = shown.locator("svg.picture a.box", has_text="platform-mail").first
    box.click()
    settled(shown, "1 of 6")
    assert shown.get_by_label("Repository", exact=True).input_value() == "acme/platform-mail"
    # What stands in the address of a stranger's link is text.
    other = opened(mixed(), fragment="#q=%E0%A4%A&rule=%3Cimg%20src=x%20onerror=alert(1)%3E&__proto__=1")
    settled(other, "0 of 6")


def test_filters_unfold_on_a_phone(opened: Opened) -> None:
    shown = opened(mixed(), width=390)
    assert not shown.get_by_role("combobox", name="Rule").is_visible()
    shown.get_by_role("button", name="Filters").click()
    shown.get_by_role("combobox", name="Rule").select_option("deep-import")
    settled(shown, "2 of 6")
    assert shown.get_by_role("button", name="Filters (on)").get_attribute("aria-expanded") == "true"


def test_without_script_everything_is_there(opened: Opened) -> None:
    shown = opened(big(60, 400), script=False)
    assert rows(shown, "findings") == 390
    assert rows(shown, "repositories") == 60
    assert not shown.locator("#filters").is_visible()
    shown.locator(".card details summary").first.click()
    assert shown.locator(".card details table").first.is_visible()


def test_long_tables_are_folded(opened: Opened) -> None:
    shown = opened(big(60, 400))
    assert (rows(shown, "findings"), rows(shown, "repositories")) == (100, 50)
    assert heading(shown, "findings") == "390"
    shown.get_by_role("button", name="Show 290 more of 290").click()
    assert rows(shown, "findings") == 390
    shown.get_by_label("Text").fill("file12.ts")
    settled(shown, "of 390 findings")
    assert rows(shown, "findings") == int(heading(shown, "findings").split()[0]) < 100


def test_a_repository_in_a_folded_picture_is_found(opened: Opened) -> None:
    shown = opened(big(60, 0))
    label = shown.locator("#boundary details.fold .card td.l").last.text_content().split()[0]  # type: ignore[union-attr]
    shown.get_by_label("Repository", exact=True).fill(label)
    settled(shown, "in 0 of 60")
    assert shown.locator("#boundary .card:visible").count() >= 1


def test_a_thousand_repositories_can_be_worked_with(opened: Opened) -> None:
    shown = opened(big())
    settled(shown, "5,000 findings, 1,000 repositories")
    taken = shown.evaluate("""() => {
      const before = performance.now();
      const input = document.querySelector("[name=q]");
      input.value = "file77.ts";
      input.dispatchEvent(new Event("input", { bubbles: true }));
      return new Promise((done) => {
        const wait = () => document.getElementById("shown").textContent.startsWith("50 of")
          ? done(performance.now() - before) : setTimeout(wait, 10);
        wait();
      });
    }""")
    assert taken < 8000  # 0.4 s where nothing else runs
    assert heading(shown, "findings") == "50 of 5,000"
