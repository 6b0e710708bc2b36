"""A reader of the tutorials: opens pages of the site, finds fields and buttons by the words on them, and sends forms."""

from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from django.test import Client


def words(tag):
    return " ".join(tag.get_text(" ").replace("*", " ").split())


class Page:
    """An answer of the site."""

    def __init__(self, response):
        self.status, self.path = response.status_code, response.wsgi_request.get_full_path()
        if response.redirect_chain:
            self.path = response.redirect_chain[-1][0]
        self.html = BeautifulSoup(response.content, "html.parser")
        for one in self.html(["script", "style", "template"]):
            one.decompose()

    @property
    def text(self):
        return words(self.html)

    def expect(self, *parts):
        for part in parts:
            assert part in self.text, (part, self.status, self.path, self.text[-3000:])
        return self

    def link(self, name):
        found = {link["href"] for link in self.html("a", href=True) if words(link) == name}
        assert len(found) == 1, (name, found, sorted({words(link) for link in self.html("a")}))
        return found.pop()

    def address_with(self, part):
        """The one address that has ``part`` in it and that the page links to."""
        found = {link["href"] for link in self.html("a", href=True) if part in link["href"]}
        assert len(found) == 1, (part, found)
        return found.pop()

    def field(self, form, label):
        """The field with this label in ``form``, or None."""
        for tag in form("label"):
            if words(tag).removesuffix(":") == label:
                field = form.find(id=tag["for"]) if tag.get("for") else tag.find("input")
                if field is not None and field.get("name"):
                    return field
        return None

    def form(self, *labels):
        """The one form that has fields with these labels (or, without labels, the one that is sent to this address)."""
        forms = [form for form in self.html("form") if all(self.field(form, label) for label in labels)]
        forms = [form for form in forms if (form.get("method") or "").lower() == "post"]
        if not labels:
            forms = [form for form in forms if form.get("action", "") in ("", ".", self.path)]
        assert len(forms) == 1, (labels, len(forms), self.path, [words(tag) for tag in self.html("label")])
        return forms[0]


def sent(form):
    """What a browser sends of a form in which nothing was changed."""
    found = {}
    for field in form(["input", "select", "textarea"]):
        name, kind = field.get("name"), field.get("type", "text")
        if not name or kind in ("submit", "file", "button", "image") or field.has_attr("disabled"):
            continue
        if kind in ("checkbox", "radio") and not field.has_attr("checked"):
            continue
        if field.name == "select":
            chosen = [one.get("value", words(one)) for one in field("option", selected=True)]
            if not chosen and not field.has_attr("multiple"):
                chosen = [one.get("value", words(one)) for one in field("option")[:1]]
        elif field.name == "textarea":
            chosen = [field.get_text()]
        else:
            chosen = [field.get("value", "on" if kind in ("checkbox", "radio") else "")]
        found.setdefault(name, []).extend(chosen)
    return found


class Reader:
    """One browser window. ``localhost:8000`` is where the tutorial has the site run."""

    def __init__(self):
        self.client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost", SERVER_PORT="8000")

    def open(self, address):
        parts = urlsplit(address)
        assert parts.netloc in ("", "localhost:8000"), address
        return Page(self.client.get(parts.path + (f"?{parts.query}" if parts.query else ""), follow=True))

    def send(self, page, form, given=None, press=None):
        """Send a form; ``press`` is the (name, value) of the button."""
        data = {**sent(form), **(given or {}), **(dict([press]) if press else {})}
        target = urlsplit(form.get("action") or page.path)
        address = target.path + (f"?{target.query}" if target.query else "")
        return Page(self.client.post(address or page.path, data, follow=True))

    def fill_in(self, page, labelled, given=None, press=None):
        """Type under labels, and send. Under the label of a box or a choice stands None: it is ticked."""
        form = page.form(*labelled)
        fields = [(page.field(form, label), value) for label, value in labelled.items()]
        data = {field["name"]: field["value"] if value is None else value for field, value in fields}
        return self.send(page, form, {**data, **(given or {})}, press)

    def push(self, page, name):
        """Press the one button with these words."""
        found = [one for one in page.html(["button", "input"]) if name in (words(one), one.get("value"))]
        found = [one for one in found if one.find_parent("form") is not None]
        assert len(found) == 1, (name, len(found), [words(one) for one in page.html("button")])
        press = (found[0]["name"], found[0].get("value", "")) if found[0].get("name") else None
        return self.send(page, found[0].find_parent("form"), press=press)

    def log_in(self, address, name, password):
        page = self.open(address)
        return self.fill_in(page, {"Username": name, "Password": password})
