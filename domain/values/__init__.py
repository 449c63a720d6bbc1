"""Basic values: user ids, accounts, money, intervals and plans."""
