"""A translator in wagtail-localize's own editor misspells placeholders, and a translation with one was live before; as JSON."""

import datetime as dt
import json
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import translation
from visiting import Browser, words
from wagtail.models import Locale
from wagtail_localize.models import StringTranslation, TranslationSource

from wagtail_kwiga import conf, tasks
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing

ATELIER = "https://atelier.example"
translator = Client(SERVER_NAME="school.example")
translator.force_login(get_user_model().objects.get(email="boss@school.example"))
german = Locale.objects.get(language_code="de")
source = TranslationSource.objects.get_for_instance(
    m.EmailTemplate.objects.get(title="Come back", locale__language_code="en")
)
translation_of = source.translations.get(target_locale=german)
email = m.EmailTemplate.objects.get(locale=german)
editor = reverse("wagtail_kwiga_emails:edit", args=[email.pk])
told = {"editor": [], "mended": []}


def segment(text):
    return source.stringsegment_set.select_related("context").get(string__data=text)


def write(place, text):
    """One line of the translation, typed into its box."""
    address = reverse("wagtail_localize:edit_string_translation", args=[translation_of.pk, place.pk])
    sent = translator.put(address, urlencode({"value": text}), content_type="application/x-www-form-urlencoded")
    assert sent.status_code in (200, 201), sent.content


def typed(place):
    return StringTranslation.objects.get(translation_of_id=place.string_id, context_id=place.context_id, locale=german)


def publish():
    return translator.post(editor, {"action": "publish"}, follow=True)


def live():
    row = m.EmailTemplate.objects.get(pk=email.pk)
    return json.dumps([row.live, row.subject, row.preheader, row.body.get_prep_value()], default=str)


for original, wrong in (
    ("{{ coupon.size }} off {{ order.title }}", "{{ coupon.size }} weniger für {{ order.titel }}"),
    ('Hello {{ contact.first_name | default: "there" }}', "Hallo {{ contact.first_nmae }}"),
    ("Back to my order", "Zurück zu {{ order.titel }}"),
    ("You began an order for <b>{{ order.title }}</b>.", "Ihre Bestellung von <b>{{ order.titel }}</b> wartet."),
):
    place, before = segment(original), live()
    right = typed(place).data
    write(place, wrong)
    answer = publish()
    told["editor"].append(
        {
            "wrote": wrong,
            "status": answer.status_code,
            "refused": "validation errors were found" in words(answer),
            "unchanged": live() == before,
            "told": typed(place).get_error() or "",
        }
    )
    write(place, right)
    answer = publish()
    told["mended"].append([answer.status_code, "validation errors" in words(answer), typed(place).get_error()])

# --- one that was published before anybody looked at placeholders ----------------------------------------------------------------

WRONG = "{{ coupon.size }} weniger für {{ order.titel }}"
m.EmailTemplate.objects.filter(pk=email.pk).update(subject=WRONG)


def reminders(address):
    """The mails of the scenario to ``address``; that the order has come in is told in another one, which the package brings."""
    got = [message.subject.replace("\xa0", " ") for message in mail.outbox if address in message.to[0]]
    return [subject for subject in got if not subject.startswith("Ihre Bestellung ")]


def bought_and_reminded(address, minutes):
    """What somebody gets who orders in German and does not pay."""
    visitor = Browser()
    page = visitor.open(f"{ATELIER}/de/kurse/aquarell/")
    visitor.send(page, name="Ada Buyer", email=address, phone="", payment_method="sandbox")
    translation.activate("de")  # as a worker may be left by what it did before
    for later in (minutes, minutes + 1):
        told.setdefault("faults", []).extend(
            str(each) for each in tasks.one_pass(conf.now() + dt.timedelta(minutes=later)) if each.error
        )
    runs = list(m.Run.objects.filter(contact__email=address).values_list("state", "reason"))
    return {"mails": reminders(address), "runs": [list(run) for run in runs]}


def attention(language):
    with translation.override(language):
        return [writing.sentence(entry) for entry in writing.open_attention() if entry.code.endswith("unsendable")]


told["live"] = bought_and_reminded("misspelt@example.com", 31)
told["attention"] = {code: attention(code) for code in (settings.LANGUAGE_CODE, "de", "fr")}
screen = translator.get(reverse("wagtail_kwiga_attention:index"))
told["screen"] = [screen.status_code, "order.titel" in words(screen), "mailing." in words(screen)]

# --- and is mended in the same editor ------------------------------------------------------------------------------------------------

answer = publish()
told["published"] = [answer.status_code, m.EmailTemplate.objects.get(pk=email.pk).subject]
told["afterwards"] = bought_and_reminded("afterwards@example.com", 40)
told["attention_left"] = attention("en")

# --- the e-mail that the scenario names, and all others fall back to: nobody is lost, and they go on by themselves -------------------

english = m.EmailTemplate.objects.get(pk=source.get_source_instance().pk)
right = english.subject
m.EmailTemplate.objects.filter(translation_key=english.translation_key).update(subject=WRONG)
told["waiting"] = bought_and_reminded("waiting@example.com", 80)
english.refresh_from_db()
english.subject = right
english.save_revision().publish()
publish()
for later in (90, 91):
    tasks.one_pass(conf.now() + dt.timedelta(minutes=later))
told["went_on"] = reminders("waiting@example.com")
print(json.dumps(told))
