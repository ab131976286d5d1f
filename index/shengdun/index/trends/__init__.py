"""Hot and rising phrases: what customers have begun to say."""
