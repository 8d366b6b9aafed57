"""The demo: one machine, every process, devices that speak their real protocols, and twenty-four fictitious travellers."""
