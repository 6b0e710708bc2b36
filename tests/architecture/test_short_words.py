"""No single word of ours goes into the catalogue without a context.

Django melts the catalogues of all apps into one. *Order* is a sequence to one app and a purchase to another, and whichever
stands first in ``INSTALLED_APPS`` decides for both; which apps a site has, nobody knows here. A sentence is hardly ever the
same in two apps, and where it is, it means the same. So a word alone says whose it is: ``pgettext("sales", "Order")``,
``{% translate "Order" context "sales" %}``, or a context of its own where one word has two meanings here, too.
(``test_foreign_words`` asks the same of longer texts, by the catalogues that are installed.)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "wagtail_kwiga"
#: Functions of ``django.utils.translation`` → whether they take a context.
FUNCTIONS = {
    **dict.fromkeys(("gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"), False),
    **dict.fromkeys(("pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"), True),
}
#: Words that need no context, and why. None so far.
BARE: dict[str, str] = {}

Text = tuple[str, str]


def of_python(source: str) -> Iterator[Text]:
    """(context, msgid) of every text that a module translates."""
    tree = ast.parse(source)
    known = {
        alias.asname or alias.name: FUNCTIONS[alias.name]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
        if alias.name in FUNCTIONS
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            has_context = known.get(name, FUNCTIONS.get(name) if isinstance(node.func, ast.Attribute) else None)
            words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if has_context is not None and words:
                yield (words[0], words[1]) if has_context and len(words) > 1 else ("", words[0])


_TAG = re.compile(r"""{%-?\s*trans(?:late)?\s+(["'])(?P<text>.*?)\1(?P<rest>[^%]*)%}""")
_BLOCK = re.compile(
    r"{%-?\s*blocktrans(?:late)?(?P<rest>[^%]*)%}(?P<text>.*?){%-?\s*(?:plural|endblocktrans)", re.DOTALL
)
_CALL = re.compile(r"""(?<![\w.])_\((["'])(?P<text>.*?)\1\)""")
_CONTEXT = re.compile(r"""\bcontext\s+(["'])(.*?)\1""")


def of_template(source: str) -> Iterator[Text]:
    """The same of a template."""
    for pattern in (_TAG, _BLOCK, _CALL):
        for found in pattern.finditer(source):
            context = _CONTEXT.search(found.groupdict().get("rest") or "")
            yield (context[2] if context else ""), found["text"].strip()


def is_one_word(text: str) -> bool:
    """Whether ``text`` is one word beside what is put into it: ``Order``, ``E-mail:``, ``“%(code)s” applied``."""
    words = re.sub(r"%\(\w+\)[sd]|%[sd%]|{{.*?}}|{\w*}", " ", text).split()
    return len(text.split()) == 1 and any(re.search(r"[^\W\d_]", word) for word in words)


def files() -> list[Path]:
    found = [*PACKAGE.rglob("*.py"), *(path for path in (PACKAGE / "templates").rglob("*") if path.is_file())]
    return [path for path in found if "migrations" not in path.parts]


def texts() -> Iterator[tuple[str, str, str]]:
    for path in files():
        read = of_python if path.suffix == ".py" else of_template
        yield from ((path.relative_to(PACKAGE).as_posix(), *text) for text in read(path.read_text()))


def test_every_single_word_says_whose_it_is():
    bare = {(text, place) for place, context, text in texts() if not context and is_one_word(text) and text not in BARE}
    assert sorted(bare) == []


def test_exceptions_are_still_there_and_say_why():
    written = {text for _place, context, text in texts() if not context}
    assert [word for word, why in BARE.items() if word not in written or not why] == []


def test_all_of_it_is_read():
    found = list(texts())
    assert sum(1 for _place, context, text in found if context and is_one_word(text)) > 600
    assert {place.rpartition(".")[2] for place, _context, _text in found} >= {"py", "html"}


@pytest.mark.parametrize(
    "source",
    [
        'from django.utils.translation import gettext_lazy as _\nname = _("Order")',
        'from django.utils.translation import gettext\nname = gettext("Order")',
        'from django.utils import translation\nname = translation.gettext("Order")',
        'from django.utils.translation import ngettext as many\nname = many("Order", "Orders", 3)',
    ],
)
def test_a_bare_word_of_a_module_is_seen(source):
    assert list(of_python(source)) == [("", "Order")]


@pytest.mark.parametrize(
    "source",
    [
        '{% load i18n %}{% translate "Order" %}',
        "{% trans 'Order' as name %}",
        "{% blocktranslate trimmed %}\nOrder\n{% endblocktranslate %}",
        "{% blocktrans count n=n %}Order{% plural %}Orders{% endblocktrans %}",
        '{% panel heading=_("Order") %}',
    ],
)
def test_a_bare_word_of_a_template_is_seen(source):
    assert list(of_template(source)) == [("", "Order")]


def test_a_word_with_a_context_is_none():
    module = 'from django.utils.translation import pgettext_lazy\nname = pgettext_lazy("sales", "Order")'
    assert list(of_python(module)) == [("sales", "Order")]
    assert list(of_template('{% translate "Order" context "sales" as name %}')) == [("sales", "Order")]
    assert list(of_template("{% blocktranslate context 'sales' %}Order{% endblocktranslate %}")) == [("sales", "Order")]


@pytest.mark.parametrize(
    "text, answer",
    [("Order", True), ("E-mail:", True), ("“%(title)s”", False), ("An order", False), ("%(number)s", False),
     ("{{ number }}", False), ("→", False), ("2FA", True)],
)  # fmt: skip
def test_what_one_word_is(text, answer):
    assert is_one_word(text) is answer
