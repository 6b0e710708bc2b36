"""Each block as mail: its MJML and its plain text, both with placeholders kept.

What an editor wrote never enters the MJML itself: it waits in a *slot* and is put in after compiling, escaped. So no
word of an editor can break the layout or be read as markup.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import get_language_bidi, gettext, pgettext
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import SourceImageIOError

from wagtail_kwiga.mailing import classification, placeholder_syntax, references, richtext
from wagtail_kwiga.mailing.authoring import styles
from wagtail_kwiga.mailing.placeholder_syntax import Token


@dataclass
class Canvas:
    """The slots of one mail while it is being compiled."""

    _mark: str = field(default_factory=lambda: secrets.token_hex(6))
    _slots: list[str] = field(default_factory=list)
    #: Whether the mail has its heading; later ones are of the second rank.
    headed: bool = False

    def slot(self, html: str) -> str:
        """A stand-in for finished HTML."""
        self._slots.append(html)
        return f"kw{self._mark}x{len(self._slots) - 1}x"

    def words(self, text: str) -> str:
        """A stand-in for words with placeholders."""
        return self.slot(placeholder_syntax.to_html(text))

    def url(self, name: str) -> str:
        """A stand-in for one of our own links, for a whole attribute."""
        return self.slot(str(Token(name)))

    def filled(self, compiled: str) -> str:
        """``compiled`` with every slot put in. One pass: what is in a slot is not looked at again."""
        return re.sub(f"kw{self._mark}x([0-9]+)x", lambda match: self._slots[int(match[1])], compiled)


@dataclass(frozen=True)
class RenderedBlock:
    """One block as mail; ``mjml`` stands in the one column that a mail has."""

    mjml: str
    text: str


def render_block(block_type: str, value: Any, sheet: Canvas) -> RenderedBlock | None:
    """The block as mail, in the active language; ``None`` where there is nothing to show."""
    return BUILDERS[block_type](value, sheet)


def _start() -> str:
    return "right" if get_language_bidi() else "left"


def _label_cell() -> str:
    """The style of a label beside its value: the gap stands between the two, in either direction of writing."""
    padding = "9px 0 9px 16px" if get_language_bidi() else "9px 16px 9px 0"
    return f"padding:{padding};border-top:1px solid {styles.LINE};color:{styles.SOFT};vertical-align:top"


def _value_cell() -> str:
    """The style of the value: at the end of the line, and each line of it in the direction of its own first letter, so that an
    address or an account number in Latin letters reads as it is written in an Arabic mail, too."""
    where = "left;unicode-bidi:plaintext" if get_language_bidi() else "right"
    return (
        f"padding:9px 0;border-top:1px solid {styles.LINE};text-align:{where};vertical-align:top;word-break:break-word"
    )


def _heading(value: Any, sheet: Canvas) -> RenderedBlock:
    text = value["text"]
    tag, size = ("h2", 21) if sheet.headed else ("h1", 27)
    sheet.headed = True
    html = sheet.slot(
        f'<{tag} style="margin:0;font-family:{styles.DISPLAY};font-size:{size}px;line-height:1.25;font-weight:600">'
        f"{placeholder_syntax.to_html(text)}</{tag}>"
    )
    return RenderedBlock(
        f'<mj-text css-class="kw-ink kw-edge" padding="6px 32px 10px" align="{_start()}">{html}</mj-text>', text
    )


def _text(value: Any, sheet: Canvas) -> RenderedBlock | None:
    rich = richtext.render(getattr(value["text"], "source", "") or "", link_style=styles.LINK)
    if not rich.text:
        return None
    body = sheet.slot(rich.html)
    return RenderedBlock(
        f'<mj-text css-class="kw-ink kw-text kw-edge" padding="6px 32px 0" align="{_start()}">{body}</mj-text>',
        rich.text,
    )


def _image(value: Any, sheet: Canvas) -> RenderedBlock | None:
    if value["image"] is None:
        return None
    alt = placeholder_syntax.without(value["alt"] or "")
    try:
        rendition = references.rendition(value["image"], styles.PICTURE_WIDTH)
    except (SourceImageIOError, InvalidFilterSpecError, OSError):
        return RenderedBlock("", alt) if alt else None  # the file is gone; the mail goes out with its words
    source = sheet.url(references.picture_name(value["image"]))
    width = min(styles.INNER_WIDTH, rendition.width)
    return RenderedBlock(
        f'<mj-image css-class="kw-edge" padding="10px 32px" src="{source}" alt="{sheet.slot(placeholder_syntax.escape_html(alt))}" '
        f'width="{width}px" border-radius="8px" />',
        alt,
    )


#: What the picture of a bank transfer is called (``cid:…``).
TRANSFER_CODE = "kwiga-transfer-code"


def _button(value: Any, sheet: Canvas) -> RenderedBlock:
    button = _one_button(value, sheet)
    # Nobody is shown into what opens later (``{{ access.opens }}`` says when).
    return _optional("access.is_open", button, sheet) if value["where"] == "access" else button


def _one_button(value: Any, sheet: Canvas) -> RenderedBlock:
    label = value["label"]
    name = classification.BUTTONS.get(value["where"])
    if value.get("optional") and name:  # of our own mails: without an address there is no button
        return _optional(name, _one_button({**value, "optional": False}, sheet), sheet)
    if name:
        href, url = sheet.url(name), str(Token(name))
    else:
        url = richtext.address(value["url"] or "")
        href = sheet.slot(placeholder_syntax.to_html(url))
    return RenderedBlock(
        f'<mj-button css-class="kw-button kw-edge" padding="14px 32px 18px" align="{_start()}" href="{href}">'
        f"{sheet.words(label)}</mj-button>",
        f"{label}:\n{url}",
    )


def _coupon_card(value: Any, sheet: Canvas) -> RenderedBlock:
    title = value.get("title") or gettext("Your discount")
    code, size = Token("coupon.code"), Token("coupon.size")
    off = gettext("%(size)s off") % {"size": size}
    rows = [
        f'<div class="kw-soft" style="font-size:14px;color:{styles.SOFT}">{placeholder_syntax.to_html(title)}</div>',
        f'<div class="kw-size" style="font-family:{styles.DISPLAY};font-size:28px;line-height:1.3;font-weight:600;'
        f'color:{styles.ACCENT}">{placeholder_syntax.to_html(off)}</div>',
    ]
    text = [f"{title}: {off}"]
    if value.get("show_prices", True):
        before, after = Token("price.before"), Token("price.after")
        rows.append(
            f'<div class="kw-ink" style="padding-top:4px;font-size:17px;color:{styles.INK}"><strong>{after}</strong> '
            f'<span class="kw-soft" style="color:{styles.SOFT};white-space:nowrap">'
            + placeholder_syntax.to_html(gettext("instead of %(price)s") % {"price": "\x00"}).replace(
                "\x00", f"<s>{before}</s>"
            )
            + "</span></div>"
        )
        text.append(gettext("%(after)s instead of %(before)s") % {"after": after, "before": before})
    rows.append(
        f'<div class="kw-soft" style="padding-top:14px;font-size:14px;color:{styles.SOFT}">{placeholder_syntax.to_html(pgettext("of a coupon", "Code"))}</div>'
        f'<div class="kw-code" style="font-family:{styles.MONO};font-size:24px;line-height:1.3;letter-spacing:2px;font-weight:700;'
        f'color:{styles.ACCENT};word-break:break-word">{code}</div>'
    )
    text.append(f"{pgettext('of a coupon', 'Code')}: {code}")
    if value.get("show_deadline", True):
        deadline = Token("coupon.deadline")
        rows.append(f'<div class="kw-ink" style="padding-top:10px;font-size:14px;color:{styles.INK}">{deadline}</div>')
        text.append(str(deadline))
    card = (
        f'<table class="kw-coupon" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="width:100%;'
        f'border-collapse:separate;background-color:{styles.TINT};border:1px dashed {styles.ACCENT};border-radius:10px">'
        f'<tr><td style="padding:18px 22px">{"".join(rows)}</td></tr></table>'
    )
    return RenderedBlock(
        f'<mj-text css-class="kw-edge" padding="10px 32px" align="{_start()}">{sheet.slot(card)}</mj-text>',
        "\n".join(text),
    )


def _order_summary(value: Any, sheet: Canvas) -> RenderedBlock:
    title = value.get("title") or gettext("Your order")
    rows = [
        (gettext("Order number"), Token("order.number")),
        (pgettext("what was ordered", "What"), Token("order.title")),
        (pgettext("of an order", "Total"), Token("order.total")),
    ]
    html = "".join(
        f'<tr class="kw-row"><td class="kw-soft" style="{_label_cell()};white-space:nowrap">'
        f'{placeholder_syntax.to_html(label)}</td><td style="{_value_cell()}">{token if label != rows[-1][0] else f"<strong>{token}</strong>"}</td></tr>'
        for label, token in rows
    )
    head = f'<div style="font-weight:600">{placeholder_syntax.to_html(title)}</div>'
    return RenderedBlock(
        f'<mj-text css-class="kw-ink kw-edge" padding="10px 32px 6px" align="{_start()}">{sheet.slot(head)}</mj-text>'
        f'<mj-table css-class="kw-ink kw-edge" padding="0 32px 12px" font-size="15px" line-height="1.5" color="{styles.INK}">{sheet.slot(html)}</mj-table>',
        "\n".join([title, *(f"{label}: {token}" for label, token in rows)]),
    )


def _optional(name: str, block: RenderedBlock, sheet: Canvas) -> RenderedBlock:
    """``block`` as a section, shown where the placeholder ``name`` has a value."""
    begin, end = (f"<mj-raw>{sheet.slot(mark)}</mj-raw>" for mark in placeholder_syntax.section_marks(name))
    return RenderedBlock(f"{begin}{block.mjml}{end}", placeholder_syntax.section(name, block.text))


#: A row of a table: its label, the placeholder that stands there, and the one without whose value it is left out.
Row = tuple[str, str, str]


def _table(title: str, rows: list[Row], sheet: Canvas, *, strong: str = "") -> RenderedBlock:
    """A heading line and rows of label and value, the row ``strong`` in bold; rows without a value are left out."""
    html, text = [], [title]
    for label, value, needed in rows:
        shown = f"<strong>{value}</strong>" if value == strong else value
        html.append(
            placeholder_syntax.section(
                needed,
                f'<tr class="kw-row kw-pair"><td class="kw-soft" style="{_label_cell()};word-break:normal">'
                f'{placeholder_syntax.to_html(label)}</td><td style="{_value_cell()}">{shown}</td></tr>',
            )
        )
        text.append(placeholder_syntax.section(needed, f"\n{label}: {value}"))
    head = f'<div style="font-weight:600">{placeholder_syntax.to_html(title)}</div>'
    return RenderedBlock(
        f'<mj-text css-class="kw-ink kw-edge" padding="10px 32px 6px" align="{_start()}">{sheet.slot(head)}</mj-text>'
        f'<mj-table css-class="kw-ink kw-edge" padding="0 32px 12px" font-size="15px" line-height="1.5" '
        f'color="{styles.INK}">{sheet.slot("".join(html))}</mj-table>',
        "".join(text),  # a row that is left out takes its line break along
    )


def _row(label: str, name: str, needed: str = "") -> Row:
    return label, str(Token(name)), needed or name


def _order_details(value: Any, sheet: Canvas) -> RenderedBlock:
    """Everything that was agreed to. What an order does not have (a discount, a payment, terms) has no row."""
    total = str(Token("order.total"))
    rows = [
        _row(gettext("Order number"), "order.number"),
        _row(gettext("Ordered on"), "order.placed"),
        _row(gettext("Paid on"), "order.paid"),
        _row(pgettext("what was ordered", "What"), "order.lines"),
        _row(pgettext("sales", "Price"), "order.list_price", "order.discount"),
        _row(pgettext("sales", "Discount"), "order.discount"),
        (pgettext("of an order", "Total"), total, "order.total"),
        _row(gettext("Payment method"), "order.method"),
        _row(pgettext("sales", "Seller"), "seller.in_full"),
        _row(gettext("Tax number"), "seller.tax_number"),
        _row(pgettext("sales", "Buyer"), "order.buyer"),
        _row(gettext("Terms of sale"), "order.terms"),
    ]
    return _table(value.get("title") or gettext("Your order"), rows, sheet, strong=total)


def _how_to_pay(value: Any, sheet: Canvas) -> RenderedBlock:
    """The account, for an order paid by transfer, with its picture where there is one; for any other a button."""
    title = value.get("title") or gettext("How to pay")
    amount = str(Token("payment.amount"))
    account = _table(
        title,
        [
            (pgettext("sales", "Amount"), amount, "payment.amount"),
            _row(gettext("Account holder"), "payment.holder"),
            _row(gettext("Account number (IBAN)"), "payment.iban"),
            _row(pgettext("of a bank", "BIC"), "payment.bic"),
            _row(pgettext("sales", "Bank"), "payment.bank"),
            _row(pgettext("sales", "Reference"), "payment.reference"),
            _row(gettext("To arrive by"), "payment.until"),
        ],
        sheet,
        strong=amount,
    )
    scan = gettext("Or scan this code with your banking app:")
    alt = gettext("QR code for the bank transfer, with the data above")
    picture = sheet.slot(
        placeholder_syntax.section(
            "payment.code",
            f'<div class="kw-soft" style="font-size:14px;color:{styles.SOFT};padding-bottom:8px">'
            f'{placeholder_syntax.to_html(scan)}</div><img src="cid:{TRANSFER_CODE}" width="180" height="180" '
            f'alt="{placeholder_syntax.escape_html(alt)}" style="display:block;width:180px;height:180px;'
            f'background-color:#ffffff;border-radius:8px">',
        )
    )
    please = gettext("Please write the reference on the transfer, so that we know that the money is yours.")
    # The page of the order has the account, too, and leads to the other ways to pay.
    see = _button({"label": gettext("See your order"), "where": "order"}, sheet)
    transfer = RenderedBlock(
        f'{account.mjml}<mj-text css-class="kw-ink kw-edge" padding="0 32px 8px" align="{_start()}">'
        f'{sheet.words(please)}</mj-text><mj-text css-class="kw-ink kw-edge" padding="4px 32px 12px" '
        f'align="{_start()}">{picture}</mj-text>{see.mjml}',
        f"{account.text}\n\n{please}\n\n{see.text}",
    )
    by_link = gettext("To be paid: %(amount)s. The price holds until %(until)s.") % {
        "amount": amount, "until": Token("payment.until"),
    }  # fmt: skip
    button = _button({"label": gettext("Pay now"), "where": "pay"}, sheet)
    link = RenderedBlock(
        f'<mj-text css-class="kw-ink kw-edge" padding="6px 32px 0" align="{_start()}">{sheet.words(by_link)}</mj-text>'
        f"{button.mjml}",
        f"{by_link}\n\n{button.text}",
    )
    shown = [_optional("payment.by_transfer", transfer, sheet), _optional("payment.by_link", link, sheet)]
    return RenderedBlock("".join(one.mjml for one in shown), "".join(one.text for one in shown))


def _divider(value: Any, sheet: Canvas) -> RenderedBlock:
    return RenderedBlock(
        f'<mj-divider css-class="kw-rule kw-edge" padding="14px 32px" border-width="1px" border-color="{styles.LINE}" />',
        "———",
    )


BUILDERS: dict[str, Callable[[Any, Canvas], RenderedBlock | None]] = {
    "heading": _heading,
    "text": _text,
    "image": _image,
    "button": _button,
    "coupon_card": _coupon_card,
    "order_summary": _order_summary,
    "order_details": _order_details,
    "how_to_pay": _how_to_pay,
    "divider": _divider,
}
