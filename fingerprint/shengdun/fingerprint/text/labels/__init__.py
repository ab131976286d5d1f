"""Labels on stretches of a text, found by versioned packs of terms and patterns that a site can write itself."""
