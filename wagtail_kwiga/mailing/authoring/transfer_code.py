"""The QR code of a bank transfer, as banking apps in Europe read it (EPC069-12): account, sum and reference, nothing to type.

It is made when a mail leaves, from what was frozen when the mail was queued.
"""

from __future__ import annotations

import base64
import io
import re
from decimal import Decimal

import segno
from segno import helpers

from wagtail_kwiga.mailing import placeholder_syntax
from wagtail_kwiga.mailing.authoring.mjml import TRANSFER_CODE
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.payments.provider import TransferDetails

#: The only currency of SEPA transfers, and so of the code.
CURRENCY = "EUR"
#: Pixels of one module, and modules of the quiet zone around, as the standard of QR codes asks.
SCALE, BORDER = 5, 4
#: What the picture is called for whoever saves it.
FILE_NAME = "transfer.png"
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")


def arguments(details: TransferDetails) -> dict[str, str] | None:
    """What ``png`` makes the picture of, as values of JSON; ``None`` where no code can say it: another currency, no valid
    account."""
    iban = "".join(details.iban.split())
    if details.amount.currency != CURRENCY or not is_iban(iban):
        return None
    given = {
        "holder": placeholder_syntax.one_line(details.holder, 70),
        "iban": iban,
        "bic": details.bic,
        "amount": str(details.amount.amount),
        "reference": details.reference,
    }
    try:
        _code(**given)
    except (
        ValueError
    ):  # no holder, an odd BIC, a sum beyond all bounds: the mail goes without a picture, and not into doubt
        return None
    return given


def is_iban(iban: str) -> bool:
    """Whether ``iban``, in capitals and without spaces, is an account number by its form and its check digits (ISO 13616)."""
    if not _IBAN.fullmatch(iban):
        return False
    digits = "".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])
    return int(digits) % 97 == 1


def png(email: OutgoingEmail | None, **given: str) -> bytes:
    """The picture (the ``maker`` of an attachment). ``given`` are those of ``arguments``."""
    out = io.BytesIO()
    _code(**given).save(out, kind="png", scale=SCALE, border=BORDER)
    return out.getvalue()


def shown_in(html: str, details: TransferDetails | None) -> str:
    """``html`` of a preview with the picture written into it."""
    given = arguments(details) if details is not None else None
    if given is None:
        return html
    return html.replace(
        f"cid:{TRANSFER_CODE}", f"data:image/png;base64,{base64.b64encode(png(None, **given)).decode()}"
    )


def _code(*, holder: str, iban: str, bic: str, amount: str, reference: str) -> segno.QRCode:
    return helpers.make_epc_qr(name=holder, iban=iban, amount=Decimal(amount), text=reference, bic=bic or None)
