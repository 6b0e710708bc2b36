"""From the outbox to the mail server and back: delivery, unsubscribing, what the provider reports."""
