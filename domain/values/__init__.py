"""Values that everything else is made of: user ids, money, intervals, and the plans that are for sale."""
