"""An editor at the desk: Wagtail's admin in a real browser, worked as a person works it."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from playwright.sync_api import BrowserContext, Locator, Page, expect
from wagtail.models import GroupPagePermission, Site

PASSWORD = "brush-and-paper"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def make_editor(name: str = "editor") -> Any:
    """A member of the package's group of editors who may write and publish pages of the site, and nothing more."""
    call_command("kwiga_setup", verbosity=0, stdout=StringIO())
    group = Group.objects.get(name="Kwiga: Editors")
    let_edit(group, Site.objects.get(is_default_site=True).root_page)
    user = get_user_model().objects.create_user(name, f"{name}@example.com", PASSWORD)
    user.groups.add(group)
    return user


def let_edit(group: Group, page: Any) -> None:
    """Pages below ``page`` may be written and published by ``group``."""
    for codename in ("add_page", "change_page", "publish_page"):
        permission = Permission.objects.get(content_type__app_label="wagtailcore", codename=codename)
        GroupPagePermission.objects.get_or_create(group=group, page=page, permission=permission)


def may_translate(user: Any, home: Any) -> None:
    """What a site gives to people who translate into the language of ``home``; it is Wagtail's to ask, not ours."""
    let_edit(user.groups.get(), home)
    user.user_permissions.add(Permission.objects.get(codename="submit_translation"))


class Desk:
    """One browser with one tab, signed in."""

    def __init__(self, context: BrowserContext, origin: str, user: Any) -> None:
        self.context, self.origin, self.user = context, origin, user
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{origin}/admin/login/")
        self.page.get_by_label("Username").fill(user.get_username())
        self.page.locator("[name=password]").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{origin}/admin/")

    def open(self, path: str) -> Page:
        response = self.page.goto(self.origin + path)
        assert response is not None
        assert response.status == 200, path
        return self.page

    def menu(self, *names: str) -> Page:
        """Go through the side bar by its words."""
        for name in names[:-1]:
            self.page.locator(".sidebar").get_by_role("button", name=name, exact=True).click()
        self.page.locator(".sidebar").get_by_role("link", name=names[-1], exact=True).click()
        self.page.wait_for_load_state()
        return self.page

    def told(self) -> str:
        """What the messages on top of the page say."""
        messages = self.page.locator(".messages")
        expect(messages).not_to_be_empty(timeout=20_000)  # publishing takes its time where much else runs
        return " ".join(messages.inner_text().split())

    def faults(self) -> list[str]:
        """What the form says at its fields: for the message of a test that expected it to be saved."""
        found = self.page.locator(".error-message, .w-field__errors, .help-critical").all_inner_texts()
        return [words.strip() for words in found if words.strip()]

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()

    def publish(self) -> None:
        """The footer's menu of actions, and in it *Publish*."""
        button = self.page.locator("button[name=action-publish]")
        if not button.first.is_visible():
            self.page.locator(
                "footer [data-w-dropdown-target=toggle], footer .w-dropdown-button [aria-expanded]"
            ).first.click()
        button.first.click()
        self.page.wait_for_load_state()

    # --- StreamFields -------------------------------------------------------------------------------------------------

    def add_block(self, field: str, name: str) -> Locator:
        """Add a block behind the last one of a StreamField; returns the new block."""
        stream = self.page.locator(f"[data-contentpath={field}]").first
        children = stream.locator("[data-streamfield-child]")
        before = children.count()
        stream.locator(".c-sf-add-button:visible").last.click()
        option = self.page.get_by_role("option", name=re.compile(rf"^{re.escape(name)}\b")).first
        if children.count() == before:  # where there is but one kind of block it is added at once
            option.click()
        expect(children).not_to_have_count(before)
        # It slides open, and so does the button behind it; until then the next block would be put before this one.
        for sliding in (children.last, stream.locator(".c-sf-add-button").last):
            expect(sliding).to_be_visible()
            expect(sliding).not_to_have_attribute("style", re.compile("overflow"))
        return children.last

    def write(self, block: Locator, text: str) -> None:
        """Type into the block's rich text, once it is there to be typed into."""
        area = block.locator(".public-DraftEditor-content")
        area.scroll_into_view_if_needed()
        self.page.wait_for_timeout(400)  # a new block slides open, and Wagtail moves the focus when it has
        area.click()
        expect(area).to_be_focused()
        self.page.keyboard.type(text)
        expect(area).to_contain_text(text)
        self.page.wait_for_timeout(500)  # the editor hands its words to the form a moment after the last key

    def choose(self, within: Locator, what: str) -> None:
        """Open a chooser and take the row that bears these words."""
        within.get_by_role("button", name=re.compile("^Choose")).first.click()
        modal = self.page.locator(".modal-content")
        modal.get_by_role("link", name=what).first.click()
        expect(modal).to_have_count(0)
