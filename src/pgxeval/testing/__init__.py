"""Helpers shipped for those who extend pgxeval; the library itself never imports them."""
