"""The base that visitor pages stand in, read without rendering it: which of our blocks it shows, and what its head says itself.

Every visitor page extends ``wagtail_kwiga/base.html``, which extends the template that the setting ``BASE_TEMPLATE`` names.
What the base of a site says of a page already (a description, a canonical address, the end of a title) our head does not say
again, and what it leaves out a system check names. Both read the compiled templates: a base may need a request, a page or
a menu to be rendered, and has none of them here. So only what is written out can be known. A name in ``{% extends %}`` that
is not literal ends the reading, and what a tag of somebody else's prints is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from django.template import Engine, Node, NodeList, Template
from django.template.base import TextNode, VariableNode
from django.template.context import Context
from django.template.defaulttags import IfNode
from django.template.loader_tags import BlockNode, ExtendsNode, IncludeNode

from wagtail_kwiga import conf

OWN_BASE = "wagtail_kwiga/base.html"
OWN_DOCUMENT = "wagtail_kwiga/document.html"
HEAD = "wagtail_kwiga/head.html"
STYLESHEET = "wagtail_kwiga/kwiga.css"

#: What a head may say of a page, and how it is written: the tag around it, and the attribute that holds it.
SAYINGS = {
    "description": re.compile(r"<meta\b[^>]*\bname=[\"']?description\b[^>]*>", re.I),
    "canonical": re.compile(r"<link\b[^>]*\brel=[\"']?canonical\b[^>]*>", re.I),
    "social": re.compile(r"<meta\b[^>]*\bproperty=[\"']?og:title\b[^>]*>", re.I),
}
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title>", re.I | re.S)
_HEAD_END = re.compile(r"</head\b|<body\b", re.I)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
#: A node that prints something, as it stands in the text: the place of it in the list of such nodes.
_MARK = re.compile("\x00([0-9]+)\x00")
_OWN_TITLE = "\x01"
_TITLE_VARIABLE = re.compile(r"^kwiga_title\b")
#: Whatever asks for these is written with our pages in mind.
_OURS = re.compile(r"\b(visit|kwiga_title)\b")
_OF_PAGE = re.compile(r"\b(page|self|object)\.")
#: Tags that print nothing: they load tags, or keep what they find under a name.
_SILENT = re.compile(r"^(load|comment)\b|\bas \w+$")


class BaseFault(Exception):
    """A template around the visitor pages cannot be loaded. ``template`` is its name, ``parent_of`` who extends it."""

    def __init__(self, template: str, parent_of: str, why: Exception) -> None:
        super().__init__(f"{type(why).__name__}: {why}")
        self.template = template
        self.parent_of = parent_of


class BaseNode(ExtendsNode):
    """Extends the template that the setting BASE_TEMPLATE names, asked for at each rendering.

    ``{% extends variable %}`` would need every view, and every view of every site, to bring the variable along.
    """

    must_be_first = False  # {% load %} comes before it; base.html has nothing else.

    @staticmethod
    def parent() -> str:
        """The name of the template that is extended now."""
        name: str = conf.settings.BASE_TEMPLATE
        return OWN_DOCUMENT if name == OWN_BASE else name

    def get_parent(self, context: Context) -> Template:
        return self.find_template(self.parent(), context)


@dataclass(frozen=True)
class Base:
    """What is known of the base. ``names`` are its templates from ``wagtail_kwiga/base.html`` to the outermost."""

    names: tuple[str, ...] = ()
    #: Every block that is shown, by name.
    blocks: frozenset[str] = frozenset()
    #: Whether our stylesheet reaches the page, and whether our title does.
    has_head: bool = True
    has_title: bool = True
    #: Whether there is a ``<title>`` beside the one that our head brings along.
    has_two_titles: bool = False
    #: Whether something follows our title, or comes before it, inside of ``<title>``.
    ends_titles: bool = False
    #: Which of ``SAYINGS`` it prints of the page at hand, and which of them whatever the page.
    says: frozenset[str] = frozenset()
    says_always: frozenset[str] = frozenset()


#: Where the base cannot be known, our pages bring everything along.
UNKNOWN = Base()
_known: WeakKeyDictionary[Template, tuple[str, Base | None]] = WeakKeyDictionary()


def current() -> Base:
    """The base of this process's templates, for rendering: ``UNKNOWN`` where it cannot be read.

    Read once for each compiled template: a cached loader, Django's default, hands out the same ones until they change.
    """
    try:
        return read() or UNKNOWN
    except BaseFault:
        return UNKNOWN  # rendering says it better


def read() -> Base | None:
    """The base that visitor pages have now; ``None`` where an ``{% extends %}`` without a literal name hides it.

    Raises ``BaseFault`` where one of its templates cannot be loaded.
    """
    engine = Engine.get_default()
    first = _loaded(engine, OWN_BASE, "", [])
    setting = BaseNode.parent()
    known = _known.get(first)
    if known is None or known[0] != setting:
        layers = _layers(engine, first)
        known = _known[first] = (setting, _read(layers) if layers else None)
    return known[1]


def _loaded(engine: Engine, name: str, parent_of: str, seen: list[Any]) -> Template:
    """The compiled template ``name``, found as ``{% extends %}`` finds it: never one that is in the chain already."""
    try:
        template, _origin = engine.find_template(name, skip=seen or None)
    except Exception as fault:  # tags and loaders of a site may raise whatever they like
        raise BaseFault(name, parent_of, fault) from fault
    return template


def _layers(engine: Engine, first: Template) -> list[Template] | None:
    """The templates from ``first`` to the outermost; ``None`` where a name is not literal."""
    layers, seen = [first], [first.origin]
    while node := next((one for one in layers[-1].nodelist if isinstance(one, ExtendsNode)), None):
        name = node.parent() if isinstance(node, BaseNode) else _literal(node.parent_name)
        if name is None:
            return None
        layers.append(_loaded(engine, name, cast(str, layers[-1].name), seen))
        seen.append(layers[-1].origin)
    return layers


def _literal(expression: Any) -> str | None:
    """The text of a literal in a tag, such as ``"base.html"``; ``None`` for a variable or a filtered one."""
    name = getattr(expression, "var", None)
    return str(name) if isinstance(name, str) and not expression.filters else None


class _Reading:
    """Goes over what a page prints, in order: each block in its innermost version, as rendering would.

    ``text`` is what it prints, with marks for what is put in: ``printing`` has the nodes. What stands under a condition that
    asks for something of ours is left out of it.
    """

    def __init__(self, layers: list[Template], printing: list[Node], including: tuple[str, ...] = ()) -> None:
        self.engine = layers[0].engine
        self.versions: dict[str, list[BlockNode]] = {}
        for template in layers:
            for block in _blocks_in(template.nodelist):
                self.versions.setdefault(block.name, []).append(block)
        self.blocks: set[str] = set()
        self.has_head = self.has_title = self.brings_title = False
        self.text: list[str] = []
        self.printing = printing
        self.including = including
        self.walk(layers[-1].nodelist, (), guarded=False)

    def walk(self, nodes: Any, within: tuple[BlockNode, ...], *, guarded: bool) -> None:
        for node in nodes:
            if isinstance(node, TextNode):
                self._say(node.s, guarded)
            elif isinstance(node, BlockNode):
                self.blocks.add(node.name)
                self._block(node.name, 0, within, guarded)
            elif within and isinstance(node, VariableNode) and _contents(node) == "block.super":
                name = within[-1].name
                self._block(name, self.versions[name].index(within[-1]) + 1, within, guarded)
            elif isinstance(node, IncludeNode):
                self._include(node, guarded)
            else:
                self._other(node, within, guarded)

    def _block(self, name: str, version: int, within: tuple[BlockNode, ...], guarded: bool) -> None:
        block = next(iter(self.versions[name][version:]), None)
        if block is not None and block not in within:
            self.walk(block.nodelist, (*within, block), guarded=guarded)

    def _include(self, node: IncludeNode, guarded: bool) -> None:
        name = _literal(node.template)
        if name == HEAD:
            self.has_head = True
            self.brings_title |= "titled" not in node.extra_context
            return
        inside = None
        if name is not None and name not in self.including:
            try:
                layers = _layers(self.engine, _loaded(self.engine, name, "", []))
                # Blocks of an included template are its own: nothing fills them from outside.
                inside = _Reading(layers, self.printing, (*self.including, name)) if layers else None
            except BaseFault:
                pass  # it may be one that is there only sometimes
        if inside is None:
            self._mark(node, guarded)
            return
        self.has_head |= inside.has_head
        self.has_title |= inside.has_title
        self.brings_title |= inside.brings_title
        self._say("".join(inside.text), guarded)

    def _other(self, node: Node, within: tuple[BlockNode, ...], guarded: bool) -> None:
        self.has_head |= getattr(getattr(node, "path", None), "var", None) == STYLESHEET
        if isinstance(node, VariableNode) and _TITLE_VARIABLE.search(_contents(node)):
            self.has_title = True
            self._say(_OWN_TITLE, guarded)
            return
        if isinstance(node, IfNode):
            guarded |= any(_OURS.search(_condition(each)) for each, _nodes in node.conditions_nodelists)
        inside = list(_lists_in(node))
        for nodes in inside:
            self.walk(nodes, within, guarded=guarded)
        if not inside and not _SILENT.search(_contents(node)):
            self._mark(node, guarded)

    def _mark(self, node: Node, guarded: bool) -> None:
        self._say(f"\x00{len(self.printing)}\x00", guarded)
        self.printing.append(node)

    def _say(self, text: str, guarded: bool) -> None:
        if not guarded:
            self.text.append(text)


def _read(layers: list[Template]) -> Base:
    printing: list[Node] = []
    found = _Reading(layers, printing)
    head = _HEAD_END.split(_COMMENT.sub("", "".join(found.text)))[0]
    titles = _TITLE.findall(head)
    says: set[str] = set()
    says_always: set[str] = set()
    for name, pattern in SAYINGS.items():
        for tag in pattern.findall(head):
            of_page = any(_OF_PAGE.search(_contents(printing[int(mark)])) for mark in _MARK.findall(tag))
            (says if of_page else says_always).add(name)
    return Base(
        names=tuple(cast(str, template.name) for template in layers),
        blocks=frozenset(found.blocks),
        has_head=found.has_head,
        has_title=found.has_title or found.brings_title,
        has_two_titles=bool(titles) and found.brings_title,
        ends_titles=any(_OWN_TITLE in title and title.replace(_OWN_TITLE, "").strip() for title in titles),
        says=frozenset(says),
        says_always=frozenset(says_always - says),
    )


def _contents(node: Node) -> str:
    """What stands between the braces of a tag."""
    return str(getattr(getattr(node, "token", None), "contents", ""))


def _condition(condition: Any) -> str:
    """The words of a condition of ``{% if %}``; empty for ``{% else %}``."""
    if condition is None:
        return ""
    parts = (getattr(condition, "first", None), getattr(condition, "second", None))
    return " ".join([str(getattr(condition, "text", "")), *(_condition(part) for part in parts)])


def _lists_in(node: Node) -> Iterator[NodeList]:
    """The parts of a tag that hold text of the template, in order: also of tags that do not tell Django of them."""
    for value in vars(node).values():
        for one in value if type(value) in (list, tuple) else (value,):
            for part in one if isinstance(one, tuple) else (one,):
                if isinstance(part, NodeList):
                    yield part


def _blocks_in(nodes: NodeList) -> Iterator[BlockNode]:
    for node in nodes:
        if isinstance(node, BlockNode):
            yield node
        for inside in _lists_in(node):
            yield from _blocks_in(inside)
