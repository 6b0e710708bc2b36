"""The base that visitor pages stand in: whether it can be loaded, shows what they fill, and says nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured

from wagtail_kwiga import conf
from wagtail_kwiga.checks.saying import error, warning
from wagtail_kwiga.offers import base_templates

_MORE = 'The how-to page "Make the pages look like your site" has the whole of it.'
_HEAD = "{% include 'wagtail_kwiga/head.html' with titled=True %}"


@register("wagtail_kwiga")
def check_base_template(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E007, E020, W020–W023: ``BASE_TEMPLATE``, or the site's own ``wagtail_kwiga/base.html``, read without rendering it.

    Where a template is extended by a name that is not literal, nothing is known and nothing said.
    """
    if conf.faults(getattr(django_settings, "WAGTAIL_KWIGA", None) or {}):
        return []  # E001 says it
    try:
        base = base_templates.read()
    except base_templates.BaseFault as fault:
        return [_not_loaded(fault)]
    except ImproperlyConfigured:  # no engine for Django's templates, without which there is no admin either
        return []
    return list(_faults(base)) if base is not None else []


def _not_loaded(fault: base_templates.BaseFault) -> CheckMessage:
    extends = f"which {fault.parent_of!r} extends" if fault.parent_of else "which every visitor page extends"
    return error(
        7,
        f"The template {fault.template!r}, {extends}, cannot be loaded: {fault}.",
        "Name a template of your own in WAGTAIL_KWIGA['BASE_TEMPLATE'], or leave the key out; "
        "TEMPLATES needs 'APP_DIRS': True for the package's own.",
    )


def _faults(base: base_templates.Base) -> Iterator[CheckMessage]:
    chain = " → ".join(base.names)
    outermost = base.names[-1]
    if "content" not in base.blocks:
        yield error(
            20,
            f"Visitor pages are empty: no block “content” is shown by the templates that they stand in ({chain}). "
            f"Blocks there: {', '.join(sorted(base.blocks)) or 'none'}.",
            f"Put {{% block content %}}{{% endblock %}} where the text of a page goes in {outermost}, or into a block of it by "
            f"a template {base_templates.OWN_BASE} of yours, as in "
            f"{{% block main %}}{{% block content %}}{{% endblock %}}{{% endblock %}}. {_MORE}",
        )
    if not base.has_head:
        yield warning(
            20,
            "Visitor pages come without the stylesheet, the script and the description of wagtail_kwiga: no block "
            f"“head_extra” is shown by the templates that they stand in ({chain}).",
            f"Put {{% block head_extra %}}{{% endblock %}} before </head> in {outermost}, or {_HEAD} into a block of its head "
            f"by a template {base_templates.OWN_BASE} of yours. {_MORE}",
        )
    if not base.has_title:
        yield warning(
            21,
            f"Visitor pages do not have their own titles: no block “title” is shown by the templates that they stand in ({chain}).",
            f"Write <title>{{% block title %}}{{% endblock %}}</title> in {outermost}, or put {{{{ kwiga_title }}}} into the block "
            f"that it has for the title by a template {base_templates.OWN_BASE} of yours. {_MORE}",
        )
    if base.has_two_titles:
        yield warning(
            22,
            f"Visitor pages have two titles: one of {outermost}, and one that wagtail_kwiga/head.html brings along.",
            f"Put {{{{ kwiga_title }}}} into the block that {outermost} has for the title, and write {_HEAD}. {_MORE}",
        )
    if base.has_head:
        yield from (_twice(what, outermost) for what in sorted(base.says_always))


def _twice(what: str, outermost: str) -> CheckMessage:
    told = {
        "description": '<meta name="description">',
        "canonical": '<link rel="canonical">',
        "social": '<meta property="og:title">',
    }[what]
    return warning(
        23,
        f"Offer pages have {told} twice: the one that {outermost} prints is not about the page at hand, and wagtail_kwiga adds "
        "the page's own.",
        f"Put {{% if not visit %}}…{{% endif %}} around it in {outermost}. {_MORE}",
    )
