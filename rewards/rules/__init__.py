"""What earns how much: versioned rules, what they ask for, and the arithmetic."""
