"""How Django writes moments on the admin's pages: as logs do, in UTC, so that they can be compared at a glance."""
