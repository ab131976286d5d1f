"""What telephony meets: the gRPC server, the call session, budget, risk, policy, access and the command line."""
