"""What they bring: links, clicks, conversions, attribution."""
