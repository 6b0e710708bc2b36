"""The site's content security policy: strict for visitors, and in the admin no wider than Wagtail's own screens need it.

What visitors do under the strict policy is in ``test_selling.py``, which ends with no violation.
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.install, pytest.mark.browser]

#: Screens that show what Wagtail's own need: lists, editors with rich text and streams, choosers, settings, reports.
WAGTAILS = (
    "/admin/", "/admin/pages/{about}/edit/", "/admin/snippets/studio/notice/add/", "/admin/images/", "/admin/orders/new/",
    "/admin/settings/studio/studiosettings/", "/admin/reports/site-history/",
)  # fmt: skip
#: Mails carry their looks with them, as mails must; so the frames that show one have attributes of style.
MAIL_SHOWN = ("/admin/kwiga/emails/preview/", "/admin/kwiga/mail/shown/")


@pytest.fixture
def desk(tab):
    """An administrator."""
    page = tab.open("/admin/login/")
    page.locator("[name=username]").fill("boss@atelier.example")
    page.locator("[name=password]").fill("brush-and-paper")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/")
    return tab


def told_of(desk, paths):
    """What the strict policy would have stopped on these screens."""
    desk.violations.clear()
    for path in paths:
        desk.open(path)
        desk.page.wait_for_load_state("networkidle")  # frames and previews too, however busy the machine
        desk.page.wait_for_timeout(150)  # for what scripts put into the page
    return list(desk.violations)


def kinds(violations):
    """What a policy would have to allow: the directive, and what was stopped."""
    return {(each["directive"], each["blocked"]) for each in violations}


def test_our_screens_need_no_wider_policy_than_wagtails_own(selling, bought, desk):
    numbers = selling.tell("screens")
    wagtails = told_of(desk, [path.format(**numbers) for path in WAGTAILS])
    assert ("script-src-elem", "inline") in kinds(wagtails), "else this would compare with nothing"
    assert len(numbers["screens"]) >= 30
    ours = told_of(desk, numbers["screens"])
    mails = [
        each for each in ours if each["directive"] == "style-src-attr" and any(at in each["at"] for at in MAIL_SHOWN)
    ]
    assert mails, "a mail was shown"
    assert kinds(each for each in ours if each not in mails) <= kinds(wagtails)
    scripts = {each["sample"].partition("(")[0] for each in ours if each["directive"].startswith("script-src")}
    assert scripts <= {
        "initDateChooser",
        "initDateTimeChooser",
        "initTimeChooser",
        "new PageChooser",
        "new ImageChooser",
        "new SnippetChooser",
    }
    assert desk.enforced == []
    assert desk.complaints == []
