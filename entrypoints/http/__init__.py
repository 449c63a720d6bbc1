"""The HTTP application: what all routes share, from parsing a request to writing the answer."""
