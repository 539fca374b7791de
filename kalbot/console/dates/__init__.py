"""How Django writes moments on the admin's pages: as logs do, with the name of the zone, so that they can be compared at a glance."""
