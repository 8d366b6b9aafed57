"""Drivers in another process: a host runs them, and the agent has one driver for each that asks the host over a Unix socket.

`server.HostedDevices` is the host's side, `host_link.HostLink` with the drivers of `clients` the agent's. Both sides keep the contract of
`drivers.contracts`: who uses a device cannot tell where it is hosted. Any process may be a host; it takes device tables and a socket.
"""
