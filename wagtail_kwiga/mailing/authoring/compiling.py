"""Blocks → MJML → HTML and text, once per version. Filling them for one person is ``rendering``'s work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.translation import get_language_bidi, gettext, pgettext
from mjml import mjml2html

from wagtail_kwiga.exceptions import TemplateFault
from wagtail_kwiga.mailing import placeholder_syntax, placeholders
from wagtail_kwiga.mailing.authoring import mjml, styles, validation
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.placeholder_syntax import Token

#: Raise it whenever the same blocks become another mail, so that stored versions are compiled anew.
COMPILER = 3
#: Gmail cuts a mail at about 102 kB, and with it the way to unsubscribe.
MAX_BYTES = 90_000


@dataclass(frozen=True)
class Block:
    """One block of a mail: its kind and its value, as a StreamField child has them."""

    block_type: str
    value: Any


@dataclass(frozen=True)
class Compiled:
    """A mail before it is filled: placeholders kept, their names listed."""

    subject: str
    html: str
    text: str
    placeholders: list[str]

    @property
    def size(self) -> int:
        """Bytes of the HTML part."""
        return len(self.html.encode())


def compile_mail(*, subject: str, preheader: str, kind: str, blocks: Iterable[Any], language: str) -> Compiled:
    """Compile a mail in ``language`` (of the package's own words). ``blocks`` have ``block_type`` and ``value``.

    Raises ``TemplateFault`` for a placeholder that does not exist, with ``facts["where"]`` and ``facts["problems"]``.
    """
    blocks = list(blocks)
    _refuse_mistakes(subject, preheader, blocks)
    with translation.override(language or None):
        sheet = mjml.Canvas()
        built = [piece for block in blocks if (piece := mjml.render_block(block.block_type, block.value, sheet))]
        foot_html, foot_text = _footer(kind)
        source = _frame(
            language=language,
            title=placeholder_syntax.without(subject),
            preheader=preheader,
            content="".join(piece.mjml for piece in built),
            foot=foot_html,
            sheet=sheet,
        )
        # fonts={}: the package would fetch web fonts that are merely named in the font stack.
        html = sheet.filled(mjml2html(source, fonts={}))
        text = "\n\n".join([*(piece.text for piece in built if piece.text), foot_text]) + "\n"
    names = {token.name for part in (subject, html, text) for token in placeholder_syntax.found_in(part)}
    names.update(name for part in (html, text) for name in placeholder_syntax.conditions_in(part))
    return Compiled(
        subject=placeholder_syntax.one_line(subject, 200),
        html=html,
        text=text,
        placeholders=placeholders.closure(names),
    )


def _refuse_mistakes(subject: str, preheader: str, blocks: list[Any]) -> None:
    found = [("subject", validation.mistakes_in(subject)), ("preheader", validation.mistakes_in(preheader))]
    for number, block in enumerate(blocks, start=1):
        mistakes = [each for _field, each in validation.mistakes_in_block(block.block_type, block.value)]
        found.append((f"block {number} ({block.block_type})", mistakes))
    for where, mistakes in found:
        if mistakes:
            raise TemplateFault(
                f"{where}: {mistakes[0][0]}", where=where, problems=[message for message, _name in mistakes]
            )


def _footer(kind: str) -> tuple[str, str]:
    """Who sends this and why, the postal address, and for promotion the way out. HTML and text."""
    name, address, way_out = Token("seller.name"), Token("seller.address"), Token("unsubscribe_url")
    if kind == Kind.PROMOTION:
        why = gettext("You get this mail because you left your address with %(seller)s.") % {"seller": name}
        label = pgettext("link in a mail", "Unsubscribe")
        link = f'<a href="{way_out}" style="{styles.LINK}">{placeholder_syntax.to_html(label)}</a>'
        html = f"{placeholder_syntax.to_html(why)} {link}<br><br>{address}"
        return html, f"———\n{why}\n{label}: {way_out}\n\n{address}"
    why = gettext("This mail is about your order with %(seller)s.") % {"seller": name}
    return f"{placeholder_syntax.to_html(why)}<br><br>{address}", f"———\n{why}\n\n{address}"


def _frame(*, language: str, title: str, preheader: str, content: str, foot: str, sheet: mjml.Canvas) -> str:
    direction = "rtl" if get_language_bidi() else "ltr"
    start = "right" if direction == "rtl" else "left"
    preview = f"<mj-preview>{sheet.words(preheader)}</mj-preview>" if preheader.strip() else ""
    seller = sheet.slot(str(Token("seller.name")))
    return f"""<mjml lang="{sheet.slot(placeholder_syntax.escape_html(language))}" dir="{direction}">
      <mj-head>
        <mj-title>{sheet.slot(placeholder_syntax.escape_html(title))}</mj-title>
        {preview}
        <mj-raw><meta name="color-scheme" content="light dark" /><meta name="supported-color-schemes" content="light dark" /><meta
          name="format-detection" content="telephone=no, date=no, address=no, email=no" /></mj-raw>
        <mj-attributes>
          <mj-all font-family="{styles.FONT}" />
          <mj-text font-size="16px" line-height="1.6" color="{styles.INK}" />
          <mj-section direction="{direction}" />
          <mj-wrapper direction="{direction}" />
          <mj-column direction="{direction}" />
          <mj-button background-color="{styles.ACCENT}" color="{styles.ON_ACCENT}" font-size="17px" font-weight="600" line-height="1.3"
            inner-padding="15px 28px" border-radius="8px" />
        </mj-attributes>
        <mj-style>{styles.CSS}</mj-style>
      </mj-head>
      <mj-body background-color="{styles.PAPER}" css-class="kw-body" width="{styles.WIDTH}px">
        <mj-section padding="28px 0 14px"><mj-column padding="0">
          <mj-text css-class="kw-soft kw-edge" align="{start}" padding="0 32px" font-size="15px" font-weight="600"
            color="{styles.SOFT}">{seller}</mj-text>
        </mj-column></mj-section>
        <mj-wrapper css-class="kw-card" background-color="{styles.SURFACE}" border="1px solid {styles.LINE}" border-radius="12px"
          padding="26px 0 18px"><mj-section padding="0"><mj-column padding="0">{content}</mj-column></mj-section></mj-wrapper>
        <mj-section padding="18px 0 36px"><mj-column padding="0">
          <mj-text css-class="kw-soft kw-edge" align="{start}" padding="0 32px" font-size="13px" line-height="1.55"
            color="{styles.SOFT}">{sheet.slot(foot)}</mj-text>
        </mj-column></mj-section>
      </mj-body>
    </mjml>"""
