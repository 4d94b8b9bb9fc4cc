"""pgxeval: which model can read a personal genome?"""

__version__ = "0.1.0"
