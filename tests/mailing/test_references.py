"""Links and pictures of mails: never empty, never of the day on which the mail was compiled."""

from __future__ import annotations

import gc
import io
import re
from urllib.parse import quote

import pytest
from django.core import mail as django_mail
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image as Picture
from wagtail import hooks
from wagtail.images.models import Image, Rendition
from wagtail.images.tests.utils import get_test_image_file
from wagtail.models import Page, Site

from tests.attacks import hostile
from tests.mailing.making import make_template, queue_one
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import TemplateFault
from wagtail_kwiga.mailing import link_building, placeholders, references, rendering
from wagtail_kwiga.mailing.authoring import validation, versions
from wagtail_kwiga.mailing.sending import delivery, outbox
from wagtail_kwiga.orders import links

pytestmark = [
    pytest.mark.django_db,
    # Wagtail leaves the temporary file of a new rendition to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    yield django_mail.outbox
    gc.collect()


def page_called(slug: str, *, live: bool = True, under: Page | None = None) -> Page:
    parent = under or Site.objects.get(is_default_site=True).root_page
    return parent.add_child(instance=Page(title=slug.title(), slug=slug, live=live))


def linking_to(page: Page) -> m.EmailTemplate:
    return make_template([("text", {"text": f'<p>See <a id="{page.pk}" linktype="page">the lessons</a></p>'})])


def hrefs(html: str) -> list[str]:
    return re.findall(r'href="([^"]*)"', html)


def sent(outgoing) -> tuple[str, str]:
    delivery.deliver_due(after(minutes=1))
    message = outgoing[-1]
    return message.body, str(message.alternatives[0][0])


# --- pages ----------------------------------------------------------------------------------------------------------------


def test_a_link_to_a_page_has_the_address_that_the_page_has_when_the_mail_leaves(outgoing):
    page = page_called("lessons")
    queue_one(template=linking_to(page))
    page.slug = "courses"
    page.save()
    text, html = sent(outgoing)
    assert "/courses/" in text and "/lessons/" not in text
    assert any(one.endswith("/courses/") for one in hrefs(html))


def test_it_leads_to_the_page_on_the_site_of_the_mail(outgoing):
    page = page_called("lessons")
    other = Site.objects.create(hostname="other.example", port=443, root_page=Site.objects.get().root_page)
    queue_one(template=linking_to(page), site=other)
    assert "https://other.example/lessons/" in sent(outgoing)[0]


def test_a_page_that_is_not_published_or_gone_is_the_front_page_and_warned_about(outgoing):
    page = page_called("lessons", live=False)
    template = linking_to(page)
    (hint,) = validation.target_hints(validation.unpublished_targets([template])[template.pk])
    assert "“Lessons”, which is not published" in hint
    queue_one(template=template)
    text, html = sent(outgoing)
    assert "/lessons/" not in text and "" not in hrefs(html)
    page.delete()
    assert validation.unpublished_targets([template])[template.pk] == [f"#{page.pk}"]


def test_pages_of_a_whole_batch_are_one_query(django_assert_num_queries, outgoing):
    pages = [page_called(f"page-{number}") for number in range(3)]
    emails = [queue_one(template=linking_to(page)) for page in pages]
    Site.get_site_root_paths()  # kept by Wagtail
    with django_assert_num_queries(1):
        link_building.load_pages(emails)
    with django_assert_num_queries(0):
        assert [link_building.of(one)[references.page_name(page.pk)] for one, page in zip(emails, pages, strict=True)]


# --- pictures -------------------------------------------------------------------------------------------------------------


def picture(form: str = "PNG", name: str = "boat.png", *, mode: str = "RGB") -> Image:
    raw = io.BytesIO()
    Picture.new(mode, (1600, 800), (200, 10, 10, 100)[: len(mode)]).save(raw, form)
    return Image.objects.create(title="A boat", file=ContentFile(raw.getvalue(), name=name))


def showing(image: Image) -> m.EmailTemplate:
    return make_template([("image", {"image": image.pk, "alt": "A boat"})])


def address_in(html: str) -> str:
    return re.findall(r'<img[^>]*src="([^"]*)"', html)[0]


def test_the_address_of_a_picture_outlives_renditions_and_folders(outgoing, settings):
    image = picture()
    queue_one(template=showing(image))
    url = address_in(sent(outgoing)[1])
    assert url.startswith("http") and "/picture/" in url and "/media/" not in url
    path = "/" + url.split("/", 3)[3]
    for purge in (False, True):
        if purge:
            for made in Rendition.objects.all():
                made.file.storage.delete(made.file.name)
            Rendition.objects.all().delete()
            settings.MEDIA_URL = "https://cdn.example/elsewhere/"
        response = Client().get(path)
        assert response.status_code == 200 and response["Content-Type"] == "image/png"
        assert response["Cache-Control"] == "public, max-age=86400" and response["X-Robots-Tag"] == "noindex"
        shown = Picture.open(io.BytesIO(b"".join(response.streaming_content)))
        assert shown.format == "PNG" and shown.width == 1068


def test_a_rendition_whose_file_was_deleted_is_made_anew():
    image = picture()
    made = references.rendition(image, 1068)
    made.file.storage.delete(made.file.name)
    with references.open_rendition(made) as opened:
        assert opened.read(4) == b"\x89PNG"


@pytest.mark.parametrize(
    ("form", "name", "mode", "shown"),
    [
        ("WEBP", "boat.webp", "RGB", "JPEG"),
        ("WEBP", "boat.webp", "RGBA", "PNG"),
        ("AVIF", "boat.avif", "RGB", "JPEG"),
        ("JPEG", "boat.jpg", "RGB", "JPEG"),
        ("GIF", "boat.gif", "RGB", "GIF"),
    ],
)
def test_what_mail_programs_do_not_show_is_converted(form, name, mode, shown):
    made = references.rendition(picture(form, name, mode=mode), 1068)
    with made.file.storage.open(made.file.name) as opened:
        assert Picture.open(opened).format == shown


def test_an_svg_is_refused_with_its_place():
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"></svg>'
    image = Image.objects.create(title="A drawing", file=ContentFile(drawing, name="drawing.svg"), width=10, height=10)
    (problem,) = validation.read_through(showing(image))
    assert str(problem) == (
        "block 1 (Image): Mail programs do not show SVG pictures. Save “A drawing” as PNG or JPEG in the program it was drawn with, "
        "upload that and choose it here."
    )


def test_nobody_can_ask_for_other_pictures():
    image = picture()
    url = references.addresses([references.picture_name(image)], site_id=None, language="en")
    (address,) = url.values()
    path = "/" + address.split("/", 3)[3]
    assert Client().get(path).status_code == 200
    assert Client().get(path.replace(f"{image.pk}.", f"{image.pk + 1}.")).status_code == 404
    Image.objects.filter(pk=image.pk).update(created_at=START)  # another one under the key of a lost one
    assert Client().get(path).status_code == 404
    image.delete()
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_picture_is_only_looked_at(method):
    assert Client().generic(method, path_of_picture(picture())).status_code == 405


def test_a_strange_request_for_a_picture_gets_the_picture_and_a_spoilt_one_nothing():
    path = path_of_picture(picture())
    strange = {"width": "9" * 99, "format": "svg", "x": "\x00"}
    answer = Client().get(path, strange, headers={"Range": "bytes=9-0,,", "Accept": "\x01"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")
    answer.close()
    sealed = path.rstrip("/").rpartition("/")[2]
    for text in hostile.spoilt(sealed):
        assert Client().get(path.replace(sealed, quote(text, safe="") or "x")).status_code == 404


def path_of_picture(image: Image) -> str:
    name = references.picture_name(image)
    return "/" + references.addresses([name], site_id=None, language="en")[name].split("/", 3)[3]


def test_a_preview_shows_the_picture_and_the_page():
    from wagtail_kwiga.mailing.authoring import sample_data

    page, image = page_called("lessons"), get_test_image_file(size=(20, 20))
    image = Image.objects.create(title="A boat", file=image)
    template = make_template(
        [
            ("image", {"image": image.pk, "alt": ""}),
            ("text", {"text": f'<p><a id="{page.pk}" linktype="page">lessons</a></p>'}),
        ]
    )
    mail = sample_data.mail(versions.compiled(template), sample_data.situation(language="en", now=START))
    assert "/picture/" in address_in(mail.html) and any(one.endswith("/lessons/") for one in hrefs(mail.html))


# --- links that lead somewhere --------------------------------------------------------------------------------------------


def button(url: str) -> m.EmailTemplate:
    return make_template([("button", {"label": "Go", "where": "own", "url": url})])


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/?code={{coupon.code}}",
        "https://x.example/?code={{ coupon.code }}",
        "https://x.example/}}",
        "ftp://x.example/file",
        "javascript:alert(1)",
        "//x.example",
        "",
    ],
)
def test_a_button_that_would_lead_nowhere_is_refused_with_its_place_and_never_sent(url):
    template = button(url)
    (problem,) = validation.read_through(template)
    assert problem.where == "block 1 (Button)"
    with pytest.raises(TemplateFault) as fault:
        versions.for_template(template, "en")
    assert fault.value.facts["where"] == "block 1 (button)"


@pytest.mark.parametrize("url", ["https://x.example/?a=1&b={2}", "mailto:ada@example.com", "tel:+3531", "/lessons/"])
def test_a_button_that_leads_somewhere_is_taken(url, outgoing):
    queue_one(template=button(url))
    assert "" not in hrefs(sent(outgoing)[1])


@pytest.mark.parametrize("href", ["#faq", "//x.example/a", "whatsapp://send?text=x", "ftp://x.example", "lessons"])
def test_a_link_in_words_that_would_be_removed_is_refused_with_its_place(href):
    template = make_template([("text", {"text": f'<p>See <a href="{href}">this</a></p>'})])
    (problem,) = validation.read_through(template)
    assert problem.where == "block 1 (Text)" and f"“{href}”" in problem.message
    with pytest.raises(TemplateFault):
        versions.for_template(template, "en")


@pytest.mark.parametrize(
    ("href", "url"), [("www.x.example/a", "https://www.x.example/a"), ("sms:+3531", "sms:+3531"), ("/a/", "/a/")]
)
def test_a_link_in_words_that_can_be_mended_is(href, url, outgoing):
    template = make_template([("text", {"text": f'<p>See <a href="{href}">this</a></p>'})])
    assert validation.read_through(template) == []
    queue_one(template=template)
    assert any(one.endswith(url) for one in hrefs(sent(outgoing)[1]))


def test_a_link_of_the_site_without_an_address_leads_to_the_front_page(outgoing):
    """A placeholder of the site's own that has nothing to say for this person."""
    from wagtail import hooks

    nothing = placeholders.Placeholder("lesson_url", "the lesson", "#lesson_url", "url", lambda situation: None)
    with hooks.register_temporarily("register_kwiga_placeholders", lambda: [nothing]):
        queue_one(template=make_template([("text", {"text": '<p><a href="{{ lesson_url }}">Go on</a></p>'})]))
        text, html = sent(outgoing)
    assert "" not in hrefs(html) and "Go on ()" not in text


@pytest.mark.parametrize(
    ("said", "leads_to"),
    [
        ("", "root"), ("nowhere", "root"), ("javascript:alert(1)", "root"), ("//evil.example/", "root"), ("http://", "root"),
        ("/room/5/", "own"), ("https://chat.example/1?a=b", "as it is"), ("mailto:mara@riverside.example", "as it is"),
        ("tel:+35312345", "as it is"),
    ],
)  # fmt: skip
def test_a_link_of_an_app_of_the_site_leads_somewhere_too(outgoing, said, leads_to):
    chat = placeholders.Placeholder("chat_url", "Chat", "#", "url", lambda situation: said)
    template = make_template([("text", {"text": '<p><a href="{{ chat_url }}">Chat</a></p>'})])
    with hooks.register_temporarily("register_kwiga_placeholders", lambda: [chat]):
        queue_one(template=template)
        found = hrefs(sent(outgoing)[1])
    root = links.site_root(Site.objects.get(is_default_site=True).pk)
    expected = {"root": root, "own": f"{root}{said}", "as it is": said}[leads_to]
    assert expected in found and "" not in found


def test_a_test_mail_has_no_way_to_unsubscribe_that_leads_nowhere(outgoing):
    email = outbox.send_test(make_template(), to="team@example.com", now=START)
    assert email.kind == "promotion"
    sent(outgoing)
    assert not {name for name in outgoing[-1].extra_headers if name.startswith("List-")}


def test_staff_look_at_a_mail_with_its_pictures(outgoing):
    email = queue_one(template=showing(picture()))
    assert "/picture/" in address_in(rendering.view_of(email).html)
