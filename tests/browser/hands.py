"""The two ways to work with a page, with the same words: a mouse, and a keyboard alone.

A control is named by its label; `form` is the name of its form, or of the section around it, where the page has several
such controls.
"""

from typing import Protocol

from playwright.sync_api import Locator, Page


class Hands(Protocol):
    def fill(self, label: str, text: str, form: str | None = None) -> None: ...

    def press(self, button: str, form: str | None = None) -> None: ...

    def follow(self, link: str) -> None: ...


class Mouse:
    def __init__(self, page: Page):
        self._page = page

    def fill(self, label: str, text: str, form: str | None = None) -> None:
        # A form may have the same name as one of its fields.
        self._within(form).get_by_label(label, exact=True).and_(self._page.locator("input, textarea")).fill(text)

    def press(self, button: str, form: str | None = None) -> None:
        self._within(form).get_by_role("button", name=button, exact=True).click()

    def follow(self, link: str) -> None:
        self._page.get_by_role("link", name=link, exact=True).first.click()

    def _within(self, form: str | None) -> Page | Locator:
        if not form:
            return self._page
        return self._page.get_by_role("form", name=form, exact=True).or_(self._page.get_by_role("region", name=form, exact=True))


# More than any page has to step through.
_MOST_STEPS = 300
_NAME = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return ['', ''];
    const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.innerText ?? element.innerText ?? '';
    const section = element.closest('section[aria-labelledby]')?.getAttribute('aria-labelledby');
    const around = element.closest('form')?.getAttribute('aria-label') ?? document.getElementById(section)?.innerText ?? '';
    return [name.trim().replace(/\\s+/g, ' '), around];
}"""
_IS_SEEN = """() => {
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
    const hasOutline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    // A field for a date marks the part of it that is being typed.
    return box.width > 0 && box.height > 0 && (element.type === 'date' || hasOutline || style.boxShadow !== 'none');
}"""


class Keyboard:
    """Only Tab, Enter and typing."""

    def __init__(self, page: Page):
        self._page = page

    def fill(self, label: str, text: str, form: str | None = None) -> None:
        self._step_to(label, form)
        self._page.keyboard.press("ControlOrMeta+A")
        self._page.keyboard.type(text)

    def press(self, button: str, form: str | None = None) -> None:
        self._step_to(button, form)
        self._page.keyboard.press("Enter")

    def follow(self, link: str) -> None:
        self._step_to(link, None)
        # Otherwise the next step would be in the page that is being left: nothing else waits for the next one.
        with self._page.expect_navigation():
            self._page.keyboard.press("Enter")

    def _step_to(self, name: str, form: str | None) -> None:
        """Steps on until the control has the focus, which can be seen wherever it is on the way."""
        self._page.wait_for_load_state()
        passed: list[str] = []
        while len(passed) < _MOST_STEPS:
            here, around = self._page.evaluate(_NAME)
            if here == name and (form is None or around == form):
                return
            self._page.keyboard.press("Tab")
            here, around = self._page.evaluate(_NAME)
            assert not here or self._page.evaluate(_IS_SEEN), f"one cannot see that {here!r} has the focus"
            passed.append(here)
        raise AssertionError(f"Tab never comes to {name!r}, only to {list(dict.fromkeys(passed))}")
