"""The help button of a lane, with the intercom beside it where there is one."""
