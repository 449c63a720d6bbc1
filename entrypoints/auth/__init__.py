"""Who calls: access tokens of users, and the keys of services and operators."""
