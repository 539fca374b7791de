"""The landing page: is it safe, is it working, is it making money, and what needs a person."""
