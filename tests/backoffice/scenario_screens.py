"""Where the screens of scenarios are, and the editor of one as somebody fills it in."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import escape
from wagtail.test.utils.form_data import nested_form_data, streamfield

LIST = "wagtail_kwiga_scenarios:list"


def url(name, scenario):
    return reverse(f"wagtail_kwiga_scenarios:{name}", args=[scenario.pk])


def page_of(client, address, **given):
    answer = client.get(address, **given)
    assert answer.status_code == 200, (address, answer.status_code, answer.headers)
    return answer.content.decode()


def says(page, *words):
    for one in words:
        assert one in page or escape(one) in page, (one, page[page.find("<main") :][:3000])


def wait(amount, unit="minutes"):
    return ("wait", {"amount": str(amount), "unit": unit})


def form(story, *steps, title="By hand", publish=False):
    data = nested_form_data(
        {"title": title, "start": streamfield([("order_unpaid", {"include_free": ""})]), "steps": streamfield(steps)}
    )
    chosen = {"offers": [str(story.offer.pk)], "payment_kinds": ["online"], "origins": ["web"]}
    data |= {f"start-0-value-{name}": values for name, values in chosen.items()}
    return data | ({"action-publish": "1"} if publish else {})


def story_steps(story, minutes=30):
    chosen = {"list": str(story.list.pk)}
    return [
        wait(minutes),
        ("add_to_list", {**chosen, "until": "scenario", "hours": ""}),
        ("send_email", {"template": str(story.template.pk), "coupon": ""}),
        wait(24, "hours"),
        ("remove_from_list", chosen),
    ]
