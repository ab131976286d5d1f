"""The demo: a real server, real voices of several meetings, calls over a telephone codec."""
