"""What grows: a ledger of many accounts, an account of many entries, and the bytes of a purchase and of a spend."""
