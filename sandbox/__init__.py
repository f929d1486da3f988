"""Stand-ins for the outside world, each a process of its own; the product never imports them, nor they the product."""
