"""Mistakes are found before anybody gets the mail, and named with their place."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.translation import gettext
from wagtail.blocks import StreamBlock, StructBlockValidationError

from tests.mailing.making import RECOVERY, make_template
from wagtail_kwiga.mailing.authoring import blocks, validation, versions

pytestmark = pytest.mark.django_db


def test_a_good_template_has_no_problems():
    assert versions.problems(make_template()) == []


def test_every_mistake_is_named_with_its_place():
    template = make_template(
        [
            ("heading", {"text": "Hi {{ contact.fist_name }}"}),
            ("text", {"text": "<p>Fine</p>"}),
            ("text", {"text": "<p>{{ order.<b>nummer</b> }} and {{ broken</p>"}),
            ("text", {"text": '<p><a href="https://x.example/{{ contact.email }}">x</a></p>'}),
            ("button", {"label": "{{ pay_url }}", "where": "pay", "url": ""}),
        ],
        subject="{{ order.user.password }}",
        preheader="{{ site.root }}",
    )
    found = [(problem.where, problem.name) for problem in versions.problems(template)]
    assert found == [
        ("subject", "{{ order.user.password }}"),
        ("preview line", "site.root"),
        ("block 1 (Heading)", "contact.fist_name"),
        ("block 3 (Text)", "order.nummer"),
        ("block 3 (Text)", "{{ broken"),
        ("block 4 (Text)", "https://x.example/{{ contact.email }}"),
        ("block 5 (Button)", "pay_url"),
    ]
    words = [str(problem) for problem in versions.problems(template)]
    assert "Did you mean “contact.first_name”?" in words[2]
    assert words[2].startswith("block 1 (Heading): ")


def test_a_mail_needs_a_subject():
    assert [problem.where for problem in versions.problems(make_template(subject="  "))] == ["subject"]


def test_a_mail_that_gmail_would_cut_is_a_problem():
    template = make_template([("text", {"text": "<p>" + "many words " * 9000 + "</p>"})])
    (problem,) = versions.problems(template)
    assert "Gmail" in problem.message


def test_a_draft_in_the_making_can_be_read():
    """What the admin's form hands over: not saved, and not complete."""
    from wagtail_kwiga.models import EmailTemplate

    template = EmailTemplate(locale=make_template().locale, subject="Hi", body=make_template().body)
    assert versions.problems(template) == []


STREAM = StreamBlock(blocks.body_blocks())


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        ("heading", {"text": "{{ order.secret }}"}, "text"),
        ("text", {"text": "<p>{{ order.<i>secret</i> }}</p>"}, "text"),
        ("button", {"label": "Go", "where": "own", "url": ""}, "url"),
        ("button", {"label": "{{ x", "where": "pay", "url": ""}, "label"),
        ("coupon_card", {"title": "{{ a.b }}", "show_prices": True, "show_deadline": True}, "title"),
    ],
)
def test_a_block_refuses_its_own_mistakes_when_saved(kind, value, field):
    block = STREAM.child_blocks[kind]
    with pytest.raises(StructBlockValidationError) as fault:
        block.clean(block.to_python(value))
    assert isinstance(fault.value.block_errors[field], ValidationError)


@pytest.mark.parametrize(("kind", "value"), RECOVERY)
def test_a_block_takes_what_is_right(kind, value):
    block = STREAM.child_blocks[kind]
    block.clean(block.to_python(value))


@pytest.mark.parametrize(("name", "block"), blocks.body_blocks())
def test_every_block_tells_the_editor_what_it_is_and_previews_as_mail(name, block, admin_client):
    block.set_name(name)
    assert block.meta.icon and str(block.label) and str(block.get_description())
    assert block.is_previewable
    context = block.get_preview_context(block.get_preview_value(), {})
    assert context["mail"].html.startswith("<!doctype html>")
    page = admin_client.get("/admin/block-preview/", {"id": block.definition_prefix})
    assert page.status_code == 200
    assert b"<!doctype html>" in page.content


def test_the_picker_speaks_the_language_of_the_admin():
    block = blocks.HeadingBlock()
    block.set_name("heading")
    with translation.override("de"):
        assert block.get_preview_value()["text"] == gettext("Your place is still free")
        assert block.get_preview_context(block.get_preview_value(), {})["mail"].html.count(
            gettext("Your place is still free")
        )


def test_words_are_found_in_every_kind_of_block():
    """A block with words that proofreading does not know would let mistakes through."""
    from wagtail.blocks import CharBlock, RichTextBlock

    for name, block in blocks.body_blocks():
        words = {child for child, kind in block.child_blocks.items() if isinstance(kind, CharBlock | RichTextBlock)}
        value = block.to_python(dict.fromkeys(words, "<p>{{ nobody.knows }}</p>"))
        assert {field for field, _mistake in validation.mistakes_in_block(name, value)} == words, name


# --- advice about coupons -------------------------------------------------------------------------------------------------

WHOLE = [("coupon_card", {"title": "", "show_prices": True, "show_deadline": True})]
BARE = [("coupon_card", {"title": "", "show_prices": False, "show_deadline": False})]


def told(blocks, **given):
    template = make_template(blocks, **{"subject": "Hi", "preheader": "", **given})
    return [
        word
        for word in ("its code", "how much", "until when", "before and after", "unsubscribed")
        if any(word in hint for hint in validation.hints(template))
    ]


@pytest.mark.parametrize(
    ("blocks", "given", "missing"),
    [
        (WHOLE, {}, []),
        (BARE, {}, ["until when", "before and after"]),
        ([], {}, []),
        ([("heading", {"text": "{{ order.total }}"})], {}, []),
        ([], {"subject": "{{ coupon.size }} off"}, ["its code", "until when", "before and after"]),
        ([], {"preheader": "{{ coupon.code }}"}, ["how much", "until when", "before and after"]),
        ([("heading", {"text": "{{ price.after }}"})], {}, ["its code", "how much", "until when", "before and after"]),
        (
            [
                ("text", {"text": "<p>{{ coupon.<b>code</b> }}, {{ price.saved }} off, {{ coupon.valid_hours }}</p>"}),
                ("heading", {"text": "{{ price.after }} and not {{ price.before }}"}),
            ],
            {},
            [],
        ),
        (WHOLE, {"kind": "service"}, ["unsubscribed"]),
        (WHOLE, {"kind": "promotion"}, []),
        ([], {"kind": "service"}, []),
    ],
)
def test_a_mail_with_a_coupon_is_told_what_it_lacks(blocks, given, missing):
    assert told(blocks, **given) == missing


@pytest.mark.parametrize(
    ("blocks", "given", "kind"),
    [
        (WHOLE, {}, "promotion"),
        (BARE, {}, "promotion"),
        ([], {}, "service"),
        ([("order_summary", {"title": ""})], {"subject": "{{ order.number }}, {{ price.before }}"}, "service"),
        ([], {"subject": "{{ coupon.size }} off"}, "promotion"),
        ([("heading", {"text": "{{price.saved}}"})], {}, "promotion"),
        ([("text", {"text": "<p>{{ <i>price</i>.after }}</p>"})], {}, "promotion"),
        (WHOLE, {"kind": "service"}, "service"),
        ([], {"kind": "promotion"}, "promotion"),
    ],
)
def test_the_kind_is_settled_by_the_coupon_unless_the_editor_says_otherwise(
    blocks, given, kind, django_assert_num_queries
):
    template = make_template(blocks, **{"subject": "Hi", "preheader": "", **given})
    with django_assert_num_queries(0):
        assert template.settled_kind == kind
        validation.hints(template)
    assert versions.for_template(template, "en").kind == kind
    assert ("unsubscribe_url" in versions.compiled(template).placeholders) == (kind == "promotion")


def test_pictures_cost_no_query_when_the_kind_is_settled(django_assert_num_queries):
    template = make_template([("image", {"image": 7, "alt": "{{ coupon.code }}"}), *WHOLE], subject="Hi", preheader="")
    with django_assert_num_queries(0):
        assert template.settled_kind == "promotion"


def test_what_a_form_hands_over_is_read_like_what_is_stored():
    """There the blocks are whole values, not raw data."""
    template = make_template(WHOLE, subject="Hi", preheader="")
    rich = template.body.stream_block.to_python(
        [{"type": "text", "value": {"text": "<p>{{ coupon.code }}</p>"}}, {"type": "divider", "value": {}}]
    )
    for child in rich:
        assert child.value is not None  # made of raw data now
    template.body = rich
    assert template.settled_kind == "promotion"


@pytest.mark.parametrize(
    ("subject", "reads"),
    [
        ("{{ contact.first_name }}, your place is free", "“Your place is free”"),
        ("Your place is free, {{ contact.name }}!", "“Your place is free!”"),
        ("مرحبا {{ contact.name }}، أهلا", "“مرحبا، أهلا”"),
        ("{{ contact.name }}，你好", "“你好”"),
    ],
)
def test_a_name_that_may_be_empty_next_to_a_comma_is_warned_about_with_what_is_read(subject, reads):
    template = make_template([("text", {"text": "<p>Hello</p>"})], subject=subject, preheader="")
    (hint,) = validation.hints(template)
    assert reads in hint and "default" in hint


@pytest.mark.parametrize(
    "subject",
    ['{{ contact.first_name | default: "there" }}, hello', "Hello {{ contact.first_name }}", "{{ order.title }}, x"],
)
def test_a_name_that_has_words_for_then_or_stands_alone_is_not(subject):
    template = make_template([("text", {"text": "<p>Hello</p>"})], subject=subject, preheader="")
    assert validation.hints(template) == []


@pytest.mark.parametrize(
    "block",
    [
        ("button", {"label": "{{ contact.first_name }}, go on", "where": "resume", "url": ""}),
        ("coupon_card", {"title": "For you, {{ contact.first_name }}!"}),
        ("heading", {"text": "{{ contact.first_name }}, hello"}),
    ],
)
def test_names_on_buttons_and_cards_are_looked_at_as_well(block):
    hints = validation.hints(make_template([block], subject="Hi", preheader=""))
    assert any("Whoever gave no name reads" in hint for hint in hints)


def test_names_in_the_text_are_looked_at_too():
    template = make_template(
        [("text", {"text": "<p>Dear <b>{{ contact.first_name }}</b>, hello.</p>"})], subject="Hi", preheader=""
    )
    (hint,) = validation.hints(template)
    assert "“Dear, hello.”" in hint


@pytest.mark.parametrize(("buttons", "hinted"), [(["pay"], True), (["resume"], False), (["pay", "resume"], False)])
def test_a_discount_leads_to_where_it_counts(buttons, hinted):
    """The button *pay* leads to the order as it stands: 120.00 beside a card that says 102.00."""
    blocks = [("button", {"label": "Go on", "where": where, "url": ""}) for where in buttons]
    template = make_template([("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}), *blocks])
    assert any("straight to paying" in hint for hint in validation.hints(template)) is hinted
