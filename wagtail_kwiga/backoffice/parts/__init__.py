"""What the screens are made of: columns, cards, listings, choosers, links, policies."""
