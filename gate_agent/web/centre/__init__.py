"""The centre's monitor: gates, backlog, gaps and corridors on one page."""
