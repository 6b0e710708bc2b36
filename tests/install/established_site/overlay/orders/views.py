"""Where a client looks up a commission; and what the header of every page says of it."""

from django.shortcuts import get_object_or_404, render

from orders.models import Order

#: Names that templates of other people might ask for as well.
WORDS = (
    "order", "orders", "offer", "coupon", "contact", "product", "products", "quote", "visit", "banner", "heading",
    "message", "sentence", "error", "notes", "changes", "bought", "lines", "methods", "transfer", "instructions", "code",
    "outcome", "state", "booked", "done", "sold", "site", "is_paid", "partly", "under_way", "continue_url", "pay_url",
    "order_url", "newer_url", "today_url", "price_holds_until", "discount_size",
)  # fmt: skip


def basket(request):
    """The site's context processor."""
    return {name: f"basket-{name}" for name in WORDS}


def index(request):
    return render(request, "orders/index.html", {"commissions": Order.objects.order_by("number")})


def show(request, key):
    return render(request, "orders/index.html", {"commissions": [get_object_or_404(Order, pk=key)]})
