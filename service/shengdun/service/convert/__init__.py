"""The one door between the wire contract and the domain: pure functions from messages to values and back."""
