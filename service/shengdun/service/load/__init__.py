"""The load-test harness: an independent client that plays calls to any server and measures what comes back.

A plan of calls is drawn before anything is sent (``plan``), played by worker processes in real time (``worker``,
``player``), counted (``tally``, ``histogram``), gathered by one process (``crew``), repeated as a scenario asks
(``scenarios``), and told (``figures``, ``report``, ``plots``).
"""
