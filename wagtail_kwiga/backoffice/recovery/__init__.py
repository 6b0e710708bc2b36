"""*Win back unpaid orders*, in one form."""
