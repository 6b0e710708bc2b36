"""A browser for the difficult site: it knows hosts and schemes, and keeps to what stands in the pages."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from django.test import Client


class Fields(HTMLParser):
    """What a form would send as it stands."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, given):
        given = dict(given)
        if tag == "input" and given.get("name") and (given.get("type") != "radio" or "checked" in given):
            self.found[given["name"]] = given.get("value") or ""


class Browser:
    """Follows absolute addresses of either site, with one set of cookies for each host."""

    def __init__(self, language="", user=None):
        self.language, self.user, self.clients = language, user, {}

    def _client(self, host):
        if host not in self.clients:
            client = self.clients[host] = Client(SERVER_NAME=host, enforce_csrf_checks=True)
            client.raise_request_exception = False
            if self.user is not None:
                client.force_login(self.user)
        return self.clients[host]

    def _ask(self, method, url, data=None):
        parts = urlsplit(url)
        headers = {"accept-language": self.language} if self.language else {}
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        call = getattr(self._client(parts.hostname), method)
        if method == "post":
            headers["referer"] = url
        response = call(path, data, secure=parts.scheme == "https", headers=headers)
        response.url_asked = url
        return response

    def open(self, url):
        """The answer to a GET; up to five redirects are followed."""
        for _ in range(5):
            response = self._ask("get", url)
            if response.status_code not in (301, 302, 303):
                break
            url = urljoin(url, response["Location"])
        return response

    def send(self, page, **typed):
        """The form of ``page`` sent; where that leads to, or the answer itself where it leads nowhere."""
        sent = {**Fields(page.content.decode()).found, **typed}
        return self.where(
            self._ask("post", page.url_asked, {key: text for key, text in sent.items() if key != "apply"})
        )

    def press(self, page, **typed):
        """One button of ``page``: only what it carries goes along, and the token against forgery."""
        token = Fields(page.content.decode()).found.get("csrfmiddlewaretoken", "")
        return self.where(self._ask("post", page.url_asked, {"csrfmiddlewaretoken": token, **typed}))

    @staticmethod
    def where(response):
        if response.status_code in (302, 303):
            return urljoin(response.url_asked, response["Location"])
        return f"{response.status_code}: {words(response)[:1500]}"


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def seen(page):
    """What the tests want to know of a page."""
    text = page.content.decode()
    return {
        "status": page.status_code,
        "at": page.url_asked,
        "speaks": page.headers.get("Content-Language", ""),
        "in_their_base": 'class="their-nav"' in text and text.count("<html") == 1,
        "text": words(page),
        "addresses": re.findall(r'(?:href|src|content)="((?:https?:/)?/[^"]*)"', text.replace("&amp;", "&")),
    }
