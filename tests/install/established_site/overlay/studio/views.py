"""The site's search, which remembers what was asked for and shows what editors promote."""

from django.shortcuts import render
from wagtail.contrib.search_promotions.models import Query
from wagtail.models import Page


def search(request):
    asked = request.GET.get("query", "")
    results = Page.objects.live().search(asked) if asked else Page.objects.none()
    if asked:
        Query.get(asked).add_hit()
    return render(request, "search/search.html", {"asked": asked, "results": results})
