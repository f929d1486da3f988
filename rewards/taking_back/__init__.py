"""What goes back, comes again, or is written off: always by opposite lines."""
