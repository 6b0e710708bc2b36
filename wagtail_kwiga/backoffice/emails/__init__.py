"""The editor of e-mails."""
