"""What the editor's own scripts make of streams in Wagtail's admin: blocks as the fields that a form posts."""

from wagtail import blocks
from wagtail.models import Page
from wagtail.test.utils.form_data import nested_form_data, rich_text, streamfield

#: A product on an offer page as the editor fills it in: everything of it, at once, without end.
PRODUCT = {
    "length": "unlimited", "length_number": "", "length_until": "", "start": "payment", "start_date": "", "lessons": "all",
    "lessons_first": "", "release": "all", "release_days": "", "release_dates": streamfield([]), "lessons_chosen": "",
    "lessons_known": "", "new_lessons": "on", "practice": "none",
}  # fmt: skip
PUBLISH = ("action-publish", "action-publish")


def streams(product, coupons=()):
    """The streams of an offer page that sells a product."""
    return nested_form_data(
        {
            "body": streamfield([]),
            "coupons": streamfield([("coupon", coupon.pk) for coupon in coupons]),
            "products": streamfield([("product", {"product": product.pk, **PRODUCT})]),
        }
    )


def make_offer(admin, title, price, product):
    """Make an offer page below the home page, and publish it; the page that follows."""
    home = Page.objects.get(depth=2)
    page = admin.open(f"/admin/pages/{home.pk}/add_subpage/")
    page = admin.open(page.address_with("/pages/add/wagtail_kwiga/offerpage/"))
    slug = title.lower().replace(" ", "-")  # what the editor's script makes of the title
    return admin.fill_in(page, {"Title": title, "Price": price}, {**streams(product), "slug": slug}, PUBLISH)


def posted(block, value):
    """The value of a block as its fields are posted."""
    if isinstance(block, blocks.StreamBlock):
        return streamfield([(child.block_type, posted(child.block, child.value)) for child in value])
    if isinstance(block, blocks.StructBlock):
        return {name: posted(child, value.get(name)) for name, child in block.child_blocks.items()}
    if isinstance(block, blocks.RichTextBlock):
        return rich_text(value.source)
    return {True: "on", False: "", None: ""}.get(value, value) if not isinstance(value, list) else value
