"""What every verb, training and page gives, kept as files and compared: see `__main__.py`."""
