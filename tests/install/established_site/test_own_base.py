"""Visitor pages in the site's own base: a check names the blocks it lacks; with them the page is the site's, and styled."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import expect

from tests.install.established_site.browsing import Tab
from tests.install.established_site.conftest import EstablishedSite, opened, served

pytestmark = [pytest.mark.install, pytest.mark.browser]

BASE = '\nWAGTAIL_KWIGA["BASE_TEMPLATE"] = "base.html"\n'
#: What the site's base has, and what stands there once the blocks are added.
MENDED = (
    ("<title>{% if page.seo_title %}", "<title>{% block title %}{% if page.seo_title %}"),
    ("{% endif %} | Atelier</title>", "{% endif %}{% endblock %} | Atelier</title>"),
    ("</head>", "{% block head_extra %}{% endblock %}</head>"),
    ("{% block main %}{% endblock %}", "{% block main %}{% block content %}{% endblock %}{% endblock %}"),
)


#: Whether somebody sees the field and can click into it.
REACHED = """each => {
  each.scrollIntoView({block: "center"});
  const box = each.getBoundingClientRect();
  return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === each;
}"""


@pytest.fixture(scope="module")
def based(selling, tmp_path_factory) -> EstablishedSite:
    """The site that sells, told to use its own base as it is."""
    folder = tmp_path_factory.mktemp("based") / "site"
    shutil.copytree(selling.folder, folder)
    site = EstablishedSite(folder, selling.python)
    site._add_settings(BASE)
    return site


@pytest.fixture(scope="module")
def unmended(based) -> str:
    return based.manage("check").stdout


@pytest.fixture(scope="module")
def mended(based, unmended) -> EstablishedSite:
    """With the blocks put where the check said."""
    base = based.folder / "shop" / "templates" / "base.html"
    text = base.read_text()
    for before, after in MENDED:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    base.write_text(text)
    return based


def test_the_check_names_every_block_that_the_base_lacks(unmended):
    for named in ("block “content”", "block “head_extra”", "block “title”", "base.html"):
        assert named in unmended, unmended
    assert "Traceback" not in unmended


def test_with_the_blocks_the_check_is_content(mended):
    told = mended.manage("check").stdout
    assert "block “" not in told, told


@pytest.fixture(scope="module")
def there(mended, tmp_path_factory):
    with served(mended, tmp_path_factory.mktemp("tls")) as port:
        yield port


def test_the_page_is_the_sites_and_styled(there, playwright_here, chromium):
    with opened(playwright_here, chromium, there) as browser:
        tab = Tab(browser.new_context(locale="en-GB", ignore_https_errors=True))
        page = tab.open("/watercolour/")
        assert page.title().startswith("Watercolour") and page.title().endswith("| Atelier")
        assert page.locator("title").count() == page.locator("html").count() == page.locator("main").count() == 1
        expect(page.locator(".studio-header")).to_be_visible()
        expect(page.locator(".studio-footer")).to_contain_text("1,234,567")
        button = page.get_by_role("button", name="Order and pay €1,250.00")
        assert button.evaluate("each => getComputedStyle(each).backgroundColor") != "rgb(102, 51, 153)", (
            "the site's own"
        )
        assert page.locator(".kwiga-card").first.evaluate("each => getComputedStyle(each).borderRadius") != "0px"
        trap = page.locator("[name=website]")
        assert trap.count() == 1 and not trap.evaluate(REACHED), "for robots only"
        assert page.get_by_label("Your name").evaluate(REACHED)
        assert page.locator("body").evaluate("each => getComputedStyle(each).fontFamily") == "serif", (
            "theirs stays theirs"
        )
        tab.open("/about/")
        assert (tab.violations, tab.complaints) == ([], [])
