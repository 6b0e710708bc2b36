"""The demo site of wagtail_kwiga: a small course school, built with the public API only."""
