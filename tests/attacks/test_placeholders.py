"""Attacked: what people can make a mail say. Names, titles, codes, notes and sellers carry placeholders, template tags, markup,
header injection, control characters and too much of everything, into the subject, both parts and every header.

A value is printed once, as it is, in its place: never read again, never markup, never a header, never a second line.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from django.core import mail
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from wagtail.models import Site

from tests.attacks.hostile import TEXTS
from tests.mail_settings import MEMORY, use_mailer
from tests.mailing.making import RECOVERY, make_template, parts, settings_of_default_site, situation_for
from tests.support import START, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import placeholder_syntax, rendering
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.sending import outbox
from wagtail_kwiga.mailing.sending.delivery import deliver_due

pytestmark = pytest.mark.django_db

EVIL = {
    **{name: text for name, text in TEXTS.items() if len(text) < 200_000},
    "placeholder with default": 'Ada {{ contact.email | default: "everybody" }}',
    "tag": "{% include 'secrets' %}{% load admin %}{# #}",
    "nested": "{{ {{ contact.email }} }}{{{{contact.email}}}}",
    "opens": "{{ contact.email",
    "closes": "contact.email }}",
    "braces as references": "&#123;&#123; contact.email &#125;&#125; &lbrace;",
    "MJML": '</mj-text><mj-raw><script>alert(1)</script></mj-raw><mj-include path="/etc/passwd" />',
    "ends the mail": "Ada\r\n.\r\nMAIL FROM:<evil@example.com>",
    "a part of its own": "Ada\r\n\r\n--boundary\r\nContent-Type: text/html\r\n\r\n<h1>x</h1>",
    "10,000 letters": "n" * 10_000,
    "10,000 braces": "{{" * 5_000,
    "two half surrogates": "\ude00\ud83d",
    "percent": "%(why)s %(title)s %s %",
}
#: Everything a stranger or a colleague may have written, in the subject and in the text.
WORDS = (
    "{{ contact.name }}{{ order.title }}|{{ contact.first_name }}|{{ offer.title }}|{{ coupon.code }}|{{ seller.name }}|"
    "{{ seller.address }}"
)
BLOCKS = [
    *RECOVERY,
    ("heading", {"text": WORDS}),
    ("text", {"text": f"<p>{WORDS}</p>"}),
    ("order_summary", {"title": ""}),
]


class _Skeleton(HTMLParser):
    """The tags and attributes of a page, without its words. Line breaks within a value are the package's own doing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[object] = []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            fixed = [(name, re.sub(r"/shop/(\w+)/[^/]+/", r"/shop/\1/", value or "")) for name, value in attrs]
            self.found.append((tag, fixed))

    def handle_endtag(self, tag):
        self.found.append(tag)

    def handle_comment(self, data):
        self.found.append(f"<!--{data}")

    def handle_decl(self, decl):
        self.found.append(f"<!{decl}")


def skeleton(html):
    parser = _Skeleton()
    parser.feed(html)
    return parser.found


def storable(text, limit):
    """What a database takes of it."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:limit]


def send(evil):
    """A mail in which every value is ``evil``, as it left."""
    settings_of_default_site(
        seller_name=storable(evil, 100), sender_name=storable(evil, 100), postal_footer=storable(evil, 400)
    )
    situation = situation_for(make_contact("ada@example.com"))
    # In memory: whatever a database, an import or a provider may hand us; in the database what that takes of it, for what is told
    # anew before the mail leaves.
    situation.contact.name = situation.order.title = situation.coupon.code = situation.order.buyer_name = evil
    kept = storable(evil, 40)
    m.Contact.objects.update(name=kept)
    m.Order.objects.update(title=kept, buyer_name=kept)
    m.Coupon.objects.filter(pk=situation.coupon.pk).update(code=kept)
    template = make_template(BLOCKS, subject=WORDS, preheader=WORDS[:150])
    mail.outbox = []
    row = outbox.queue(
        key="evil", purpose="recovery", version=versions.for_template(template, "en", now=START), situation=situation,
        now=START,
    )  # fmt: skip
    assert deliver_due(START).sent == 1, m.OutgoingEmail.objects.get(pk=row.pk).why
    row.refresh_from_db()
    (message,) = mail.outbox
    return row, message, email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)


@pytest.fixture
def plain_one(settings):
    use_mailer(settings, MEMORY)

    def of():
        _row, _sent, message = send("Ada")
        found = ([name for name, _value in message.items()], skeleton(parts(message)[1]))
        m.OutgoingEmail.objects.all().delete()
        m.Order.objects.all().delete()
        m.Purchase.objects.all().delete()
        m.EmailTemplate.objects.all().delete()
        m.TimelineEntry.objects.all().delete()
        m.Contact.objects.all().delete()
        return found

    return of()


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_a_value_is_only_ever_a_value(plain_one, evil):
    headers, tags = plain_one
    row, sent, message = send(evil)
    plain, html = parts(message)

    # The envelope and the head: the same headers as ever, each once, each on one line.
    assert len(sent.recipients()) == 1
    assert [name for name, _value in message.items()] == headers
    assert [each.addr_spec for each in message["To"].addresses] == ["ada@example.com"]
    assert [each.addr_spec for each in message["From"].addresses] == ["mara@riverside.example"]
    assert [each.addr_spec for each in message["Reply-To"].addresses] == ["answers@riverside.example"]
    assert message["Bcc"] is None
    assert len(row.subject.splitlines()) <= 1 and len(row.subject) <= 255
    assert message["Subject"].replace(" ", "") == row.subject.replace(" ", "")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", row.subject + row.to_name)

    # The HTML part has exactly the tags that the editor's template has, in both readings of it.
    assert skeleton(html) == tags
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", plain + html)
    assert max(map(len, message.as_bytes().splitlines())) <= 998
    assert len(plain) + len(html) < 200_000

    # Nothing in a value is looked up: the address stands nowhere in the template.
    assert "ada@example.com" not in plain + html + message["Subject"]
    assert "SECRET" not in (plain + html).replace("settings.SECRET_KEY", "")
    if "{{" in evil and len(evil) < 60 and "\r" not in evil:
        assert evil in plain

    # What staff see of it is the same, and the timeline speaks of it without stumbling.
    row = m.OutgoingEmail.objects.select_related("order__offer", "version").get(pk=row.pk)
    assert skeleton(rendering.view_of(row).html)
    for entry in writing.timeline(row.order).filter(facts__email=row.pk):
        assert row.subject in writing.sentence(entry)


@pytest.mark.parametrize("field", ["sender_email", "reply_to"])
def test_an_address_of_the_seller_that_breaks_a_header_sends_nothing(settings, field):
    """No form lets it in. Where it comes in otherwise the mail fails with words, and no header is added."""
    use_mailer(settings, MEMORY)
    settings_of_default_site(**{field: "mara@riverside.example\r\nBcc: all@example.com"})
    situation = situation_for()
    version = versions.for_template(make_template(), "en", now=START)
    outbox.queue(key="k", purpose="recovery", version=version, situation=situation, now=START)
    mail.outbox = []
    summary = deliver_due(START)
    assert summary.sent + summary.failed == 1
    for message in mail.outbox:
        assert "all@example.com" not in message.recipients()
        assert email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)["Bcc"] is None
    if summary.failed:
        assert m.OutgoingEmail.objects.get().why.startswith("cannot_compose")


@pytest.mark.parametrize("name", [name for name, text in EVIL.items() if "@" in text or "://" in text])
def test_a_name_that_is_an_address_or_a_link_is_not_printed(name):
    """Otherwise a stranger sends their advertisement through our mail, by calling themselves so."""
    evil = re.sub(r"\{\{[^{}]*\}\}", "", EVIL[name])
    if "@" in evil:
        situation = situation_for(make_contact("ada@example.com", name=storable(evil, 200)))
        assert "@" not in outbox.placeholders.decent_name(situation.contact.name)


SAFE = st.text(st.sampled_from('{}|:"% \n\r<>&#abz.\u202e\x00\ud800') | st.characters(), max_size=40)


@hypothesis_settings(max_examples=150)
@given(first=SAFE, second=SAFE)
def test_two_values_side_by_side_make_no_third(first, second):
    values = {
        "contact.name": placeholder_syntax.plain(first),
        "order.title": placeholder_syntax.plain(second),
        "coupon.code": "NEVER-SHOWN",
    }
    both = "{{ contact.name }}{{ order.title }}"
    assert (
        placeholder_syntax.fill_text(placeholder_syntax.to_text(both), values)
        == values["contact.name"] + values["order.title"]
    )
    html = placeholder_syntax.fill_html(placeholder_syntax.to_html(f"<{both}>"), values)
    assert not set(html) & set("<>{}")
    assert "NEVER-SHOWN" not in html
    assert "\n" not in html and len(html.splitlines()) == 1
    html.encode()


def test_a_seller_on_several_lines_keeps_them_and_nothing_else():
    settings_of_default_site(
        postal_footer="Riverside\r\n<b>1 Mill Lane</b>\x00\u202e\n{{ contact.email }}".replace("\x00", "")
    )
    situation = replace(situation_for(), site=Site.objects.get(is_default_site=True))
    texts, _links = outbox.placeholders.build_context(["seller.address"], situation)
    assert texts["seller.address"] == "Riverside\n<b>1 Mill Lane</b>\n{{ contact.email }}"
    html = placeholder_syntax.fill_html("{{ seller.address }}", texts)
    assert html == "Riverside<br>&lt;b&gt;1 Mill Lane&lt;/b&gt;<br>&#123;&#123; contact.email &#125;&#125;"
