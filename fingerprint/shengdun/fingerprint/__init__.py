"""Evidence made comparable: fingerprints of voice and text. Pure: no network, no store."""
