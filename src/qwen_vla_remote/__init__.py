"""Policies over the network: openpi's wire format, a client that is a Policy, and a server."""
