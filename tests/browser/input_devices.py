"""Input devices for browser tests: the same actions with a mouse, or with the keyboard alone.

Controls are found by their labels; `form` is the name of the form or section, if the label is not unique on the page.
"""

from typing import Protocol

from playwright.sync_api import Locator, Page


class InputDevice(Protocol):
    def fill(self, label: str, text: str, form: str | None = None) -> None: ...

    def press(self, button: str, form: str | None = None) -> None: ...

    def follow(self, link: str) -> None: ...


class Mouse:
    def __init__(self, page: Page):
        self._page = page

    def fill(self, label: str, text: str, form: str | None = None) -> None:
        # A form can have the same label as one of its fields.
        self._within(form).get_by_label(label, exact=True).and_(self._page.locator("input, textarea")).fill(text)

    def press(self, button: str, form: str | None = None) -> None:
        self._within(form).get_by_role("button", name=button, exact=True).click()

    def follow(self, link: str) -> None:
        self._page.get_by_role("link", name=link, exact=True).first.click()

    def _within(self, form: str | None) -> Page | Locator:
        if not form:
            return self._page
        return self._page.get_by_role("form", name=form, exact=True).or_(self._page.get_by_role("region", name=form, exact=True))


# More than the controls of any page.
_MAX_STEPS = 300
_FOCUSED_LABEL_AND_FORM = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return ['', ''];
    const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.innerText ?? element.innerText ?? '';
    const section = element.closest('section[aria-labelledby]')?.getAttribute('aria-labelledby');
    const around = element.closest('form')?.getAttribute('aria-label') ?? document.getElementById(section)?.innerText ?? '';
    return [name.trim().replace(/\\s+/g, ' '), around];
}"""
_FOCUS_IS_VISIBLE = """() => {
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
    const hasOutline = ({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) > 0;
    // The box around a field for files has the outline, because the field itself is only the label.
    if (element.type === 'file') return hasOutline(getComputedStyle(element.parentElement));
    // Date fields highlight the focused part instead.
    return box.width > 0 && box.height > 0 && (element.type === 'date' || hasOutline(style) || style.boxShadow !== 'none');
}"""


class Keyboard:
    """Uses Tab, Enter and typing only."""

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
        # Otherwise the next key could go to the old page.
        with self._page.expect_navigation():
            self._page.keyboard.press("Enter")

    def _step_to(self, name: str, form: str | None) -> None:
        """Presses Tab until the control has the focus; fails if the focus is invisible on the way."""
        self._page.wait_for_load_state()
        passed: list[str] = []
        while len(passed) < _MAX_STEPS:
            focused, focused_form = self._page.evaluate(_FOCUSED_LABEL_AND_FORM)
            if focused == name and (form is None or focused_form == form):
                return
            self._page.keyboard.press("Tab")
            focused, _ = self._page.evaluate(_FOCUSED_LABEL_AND_FORM)
            assert not focused or self._page.evaluate(_FOCUS_IS_VISIBLE), f"the focus on {focused!r} is invisible: give it an outline"
            passed.append(focused)
        raise AssertionError(f"Tab never reaches {name!r}, only {list(dict.fromkeys(passed))}")
