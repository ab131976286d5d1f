"""Several server processes on one port: a parent that starts, watches and stops them, and serves nothing itself."""
