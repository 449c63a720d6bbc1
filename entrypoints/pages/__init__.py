"""The pages: the pricing page, the return page, and the operator's page."""
