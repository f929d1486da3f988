"""The demo: half a year of an invented programme, told through the same verbs as real use."""
