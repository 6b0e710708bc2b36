"""From the blocks of an editor to a compiled version: MJML, checks, previews."""
