"""Authentication and authorisation: users' access tokens, and the keys of services and operators."""
