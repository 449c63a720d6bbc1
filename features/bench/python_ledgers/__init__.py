"""Other ledgers for Python, from PyPI, measured on one account beside ours."""
